"""Runs training and evaluation jobs, each in a process of its own, and writes down every step.

The queue is the store itself: a record in state notStarted is a job. The engine alone writes the store; a job process
only computes and reports. What an engine that died left unfinished is queued again when the next one starts; jobs are
deterministic, so a repeated job gives the same model.
"""

import logging
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from msgspec.structs import replace
from opentelemetry.trace import Tracer

from engine.artifacts import publish
from engine.errors import JobError, SealError
from engine.messages import Done, Failed, JobRequest
from engine.orders import JobPlace, Orders, Work, job_key
from engine.outcomes import EVALUATION_HOURS, Crashed, Outcome, settled_evaluation, settled_model
from engine.processes import JobProcess
from engine.queueing import Kind, Turns, next_turn
from engine.records import Evaluation, Failure, Model, Status
from engine.store import Store
from engine.telemetry import DATASET, EVALUATION, MODEL, JobTrace

_PAUSE = 5.0  # seconds

_log = logging.getLogger(__name__)


class Jobs:
    """Takes jobs from the store in the order of `engine.queueing`, and runs up to `workers` at once."""

    def __init__(
        self,
        store: Store,
        orders: Orders,
        place: JobPlace,
        *,
        workers: int,
        clock: Callable[[], datetime],
        tracer: Tracer,
    ) -> None:
        self._store = store
        self._orders = orders
        self._place = place
        self._clock = clock
        self._tracer = tracer
        self._changed = threading.Condition()
        self._stopping = False
        self._turns = Turns()
        self._running: dict[str, JobProcess] = {}
        self._threads = [threading.Thread(target=self._serve, name=f"jobs-{number}") for number in range(workers)]

    def start(self) -> None:
        """Queues again what was interrupted, and begins to work."""
        shutil.rmtree(self._place.work, ignore_errors=True)
        self._place.work.mkdir(parents=True)
        (self._place.data / "locks").mkdir(exist_ok=True)
        now = self._clock()
        for model in self._store.models.having(Status.TRAINING):
            self._store.models.revise(model, lambda found: replace(found, status=Status.NOT_STARTED, updated=now))
        for model in self._store.models.having(Status.CANCELLING):
            self._store.models.revise(model, lambda found: replace(found, status=Status.CANCELLED, updated=now))
        for evaluation in self._store.evaluations.having(Status.RUNNING):
            self._store.evaluations.revise(
                evaluation, lambda found: replace(found, status=Status.NOT_STARTED, updated=now)
            )
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Says that there may be a new job."""
        with self._changed:
            self._changed.notify_all()

    def interrupt(self, work: Work) -> None:
        """Kills the process of a job, if it has one; its record is settled by whoever waits for the process."""
        with self._changed:
            process = self._running.get(job_key(work))
        if process is not None:
            process.kill()

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

    def stop(self) -> None:
        """Ends all job processes and leaves their records to be resumed by the next start."""
        with self._changed:
            self._stopping = True
            processes = list(self._running.values())
            self._changed.notify_all()
        for process in processes:
            process.kill()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while not self._stopping:
            try:
                work = self._next()
                if work is not None:
                    self._run(work)
            except (OSError, sqlite3.Error):
                _log.exception("The store or the disk refused; what was interrupted is resumed by the next start.")
                with self._changed:
                    self._changed.wait(_PAUSE)

    def _next(self) -> Work | None:
        with self._changed:
            while not self._stopping:
                work = self._claim()
                if work is not None:
                    return work
                self._changed.wait()
        return None

    def _claim(self) -> Work | None:
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

    def _run(self, work: Work) -> None:
        trace = self._trace(work)
        started = time.monotonic()
        _log.info("job for %s starts", _what(work))
        outcome: Outcome
        try:
            outcome = self._process(work, self._orders.request(work), trace)
        except JobError as exc:
            outcome = Failed(exc.code, exc.message, exc.details)
        except SealError as exc:
            outcome = Failed("unknown", str(exc))
        except OSError as exc:
            outcome = Failed("unknown", f"The job process could not be started ({exc.strerror}). Train again later.")
        failure = self._settle(work, outcome, time.monotonic() - started)
        ended = f"failed, {failure.code}: {failure.message}" if failure else "ended"
        _log.info("job for %s %s after %.1f s", _what(work), ended, time.monotonic() - started)
        trace.end(failure.code if failure else None)

    def _process(self, work: Work, request: JobRequest, trace: JobTrace) -> Outcome:
        budget = work.budget_hours if isinstance(work, Model) else EVALUATION_HOURS
        output = self._place.work / job_key(work)
        shutil.rmtree(output, ignore_errors=True)
        with JobProcess(request, seconds=budget * self._place.hour_seconds) as process:
            with self._changed:
                self._running[job_key(work)] = process
                stopping = self._stopping
            # A cancellation or a stop that came before the process was known has found nothing to kill.
            if stopping or not self._is_wanted(work):
                process.kill()
            try:
                return process.wait(lambda progress: trace.enter(progress.stage))
            finally:
                with self._changed:
                    del self._running[job_key(work)]
                Path(request.lock).unlink(missing_ok=True)

    def _settle(self, work: Work, outcome: Outcome, seconds: float) -> Failure | None:
        """Writes down how a job ended; the model's folder is in its place before its record says so."""
        if isinstance(outcome, Crashed) and self._stopping:
            return None  # our own doing; the next start takes it up again
        if isinstance(work, Evaluation):
            return self._settle_evaluation(work, outcome)
        output, place = self._place.work / job_key(work), self._place.model(work.name)
        if isinstance(outcome, Done):
            try:
                publish(output, place)
            except OSError as exc:
                outcome = Failed("unknown", f"The model could not be stored ({exc.strerror}). Is ENGINE_DATA full?")
        model = self._store.models.revise(work, lambda now: settled_model(now, outcome, seconds, self._clock()))
        if model is None or model.status is not Status.SUCCEEDED:
            shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(output, ignore_errors=True)
        return model.error if model else None

    def _settle_evaluation(self, work: Evaluation, outcome: Outcome) -> Failure | None:
        output, place = self._place.work / job_key(work), self._place.evaluation(work.model_name, work.name)
        with self._store.transaction():  # what lies in its place is always the record's own
            found = self._store.evaluations.find(work.name, work.model_name)
            if isinstance(outcome, Done) and found is not None and found.id == work.id:
                try:
                    publish(output, place)
                except OSError as exc:
                    message = f"The predictions could not be stored ({exc.strerror}). Is ENGINE_DATA full?"
                    outcome = Failed("internalServerError", message)
            ended = outcome
            settled = self._store.evaluations.revise(work, lambda now: settled_evaluation(now, ended, self._clock()))
        shutil.rmtree(output, ignore_errors=True)
        return settled.error if settled else None

    def _is_wanted(self, work: Work) -> bool:
        if isinstance(work, Evaluation):
            return self._store.evaluations.find(work.name, work.model_name) is not None
        model = self._store.models.find(work.name)
        return model is not None and model.status is Status.TRAINING

    def _trace(self, work: Work) -> JobTrace:
        if isinstance(work, Model):
            attributes = {MODEL: work.name, DATASET: work.training_dataset}
            return JobTrace(self._tracer, "train_model", work.traceparent, attributes)
        attributes = {MODEL: work.model_name, EVALUATION: work.name, DATASET: work.test_dataset}
        return JobTrace(self._tracer, "evaluate_model", work.traceparent, attributes)


def _what(work: Work) -> str:
    return f"model '{work.name}'" if isinstance(work, Model) else f"evaluation '{work.name}' of '{work.model_name}'"
