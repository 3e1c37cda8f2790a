"""Writes down how jobs go, and keeps the folders of models and evaluations equal to their records.

The queue is the store itself: a record in state notStarted is a job. A model's folder is in its place before its record
says succeeded, and gone before, or with the next start after, its record says otherwise.
"""

import fcntl
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

from engine.artifacts import publish
from engine.messages import Done, Failed
from engine.orders import OUTPUT, JobPlace, Work
from engine.outcomes import Outcome, settled_evaluation, settled_model
from engine.queueing import Kind, Turns, next_turn
from engine.records import Evaluation, Failure, Model, Status
from engine.store import Store


class Ledger:
    """What is written about jobs; may be shared by threads."""

    def __init__(self, store: Store, place: JobPlace, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._place = place
        self._clock = clock
        self._turns = Turns()

    def resume(self) -> None:
        """Queues again what an engine left unfinished, and removes the files of what it did not finish."""
        shutil.rmtree(self._place.work, ignore_errors=True)
        self._place.work.mkdir(parents=True)
        now = self._clock()
        models, evaluations = self._store.models, self._store.evaluations
        for model in models.having(Status.TRAINING):
            models.revise(model, lambda found: replace(found, status=Status.NOT_STARTED, updated=now))
        for model in models.having(Status.CANCELLING):
            models.revise(model, lambda found: replace(found, status=Status.CANCELLED, updated=now))
        for evaluation in evaluations.having(Status.RUNNING):
            evaluations.revise(evaluation, lambda found: replace(found, status=Status.NOT_STARTED, updated=now))
        self._sweep()

    def claim(self) -> Work | None:
        """Marks the job whose turn it is as begun and returns it; None when none waits."""
        with self._store.transaction():
            models, evaluations, now = self._store.models, self._store.evaluations, self._clock()
            turn = next_turn(self._turns, {Kind.TRAINING: models.lines(), Kind.EVALUATION: evaluations.lines()})
            if turn is None:
                return None
            work: Work | None
            if turn.kind is Kind.TRAINING:
                model = models.with_id(turn.job)
                work = models.revise(model, lambda found: replace(found, status=Status.TRAINING, updated=now))
            else:
                evaluation = evaluations.with_id(turn.job)
                work = evaluations.revise(evaluation, lambda found: replace(found, status=Status.RUNNING, updated=now))
        self._turns = turn.turns
        return work

    def is_wanted(self, work: Work) -> bool:
        """Whether a claimed job is still to be done: not cancelled, not deleted."""
        if isinstance(work, Evaluation):
            evaluation = self._store.evaluations.find(work.name, work.model_name)
            return evaluation is not None and evaluation.id == work.id
        model = self._store.models.find(work.name)
        return model is not None and model.id == work.id and model.status is Status.TRAINING

    def charge(self, model: Model, spent_seconds: float) -> None:
        """Writes down how much of its budget a training has used."""
        self._store.models.revise(model, lambda found: replace(found, spent_seconds=spent_seconds))

    def settle(self, work: Work, outcome: Outcome, spent_seconds: float) -> Failure | None:
        """Writes down how a job ended, with its files in their place first; may be called again when the store refused.

        Args:
            work: As it was claimed.
            outcome: How it ended.
            spent_seconds: Of the budget, by all attempts.

        Returns:
            Why it failed, if it did.

        Raises:
            sqlite3.Error: The store refused, and nothing was written.
        """
        folder, place = self._place.job(work), self._place_of(work)
        with self._store.transaction():  # what lies in its place is always the record's own
            if isinstance(outcome, Done) and self.is_wanted(work):
                outcome = _published(folder / OUTPUT, place, outcome)
            ended, now = outcome, self._clock()
            record: Work | None
            if isinstance(work, Evaluation):
                record = self._store.evaluations.revise(work, lambda found: settled_evaluation(found, ended, now))
            else:
                record = self._store.models.revise(work, lambda found: settled_model(found, ended, spent_seconds, now))
            if record is not None and record.status is not Status.SUCCEEDED:
                shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        return record.error if record is not None else None

    def discard(self, model: Model) -> None:
        """Removes a deleted model's files and its evaluations', unless a new model has its name already."""
        with self._store.transaction():
            if self._store.models.find(model.name) is None:
                shutil.rmtree(self._place.model(model.name), ignore_errors=True)
                shutil.rmtree(self._place.evaluations(model.name), ignore_errors=True)

    def discard_evaluation(self, evaluation: Evaluation) -> None:
        """Removes a deleted evaluation's files, unless a new evaluation has its name already."""
        with self._store.transaction():
            if self._store.evaluations.find(evaluation.name, evaluation.model_name) is None:
                place = self._place.evaluation(evaluation.model_name, evaluation.name)
                shutil.rmtree(place, ignore_errors=True)

    def _place_of(self, work: Work) -> Path:
        if isinstance(work, Evaluation):
            return self._place.evaluation(work.model_name, work.name)
        return self._place.model(work.name)

    def _sweep(self) -> None:
        """Removes what no record stands for: published by an engine that died before it could say so, or deleted."""
        for folder in _folders(self._place.model("")):
            model = self._store.models.find(folder.name)
            if model is None or model.status is not Status.SUCCEEDED:
                shutil.rmtree(folder, ignore_errors=True)
        for parent in _folders(self._place.evaluations("")):
            for folder in _folders(parent):
                evaluation = self._store.evaluations.find(folder.name, parent.name)
                if evaluation is None or evaluation.status is not Status.SUCCEEDED:
                    shutil.rmtree(folder, ignore_errors=True)
        locks = self._place.locks
        locks.mkdir(exist_ok=True)
        for path in locks.iterdir():
            if path.is_file():
                _remove_unless_held(path)


def _published(output: Path, place: Path, done: Done) -> Outcome:
    """Moves the files of a job to their place; returns `done`, or the failure that it then is."""
    if not output.exists() and place.exists():
        return done  # moved by a call whose record the store then refused
    try:
        publish(output, place)
    except OSError as exc:
        return Failed("unknown", f"The result could not be stored ({exc.strerror}). Is ENGINE_DATA full?")
    return done


def _folders(place: Path) -> list[Path]:
    return [path for path in place.iterdir() if path.is_dir()] if place.is_dir() else []


def _remove_unless_held(path: Path) -> None:
    """Removes a job's lock, unless a job process of the engine before is just about to end; it is then met again."""
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        path.unlink()
