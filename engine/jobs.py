"""Runs training and evaluation jobs, each in a process of its own.

The engine alone writes the store (`engine.ledger`); a job process only computes and reports. What an engine that died
left unfinished is queued again when the next one starts; jobs are deterministic, so a repeated job gives the same
model.

A training's budget covers all its attempts. Every few seconds of an attempt are written down before they are spent, so
that no crash, of the process or of the engine, gives a job more than it was granted.
"""

import logging
import shutil
import sqlite3
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from opentelemetry.trace import Tracer

from engine.errors import JobError, SealError
from engine.ledger import Ledger
from engine.messages import Failed, Progress
from engine.orders import JobPlace, Orders, Work, job_key
from engine.outcomes import EVALUATION_HOURS, Crashed, Outcome, OutOfTime
from engine.processes import TICK, JobProcess
from engine.records import Evaluation, Failure, Model
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
        self._ledger = Ledger(store, place, clock)
        self._orders = orders
        self._place = place
        self._tracer = tracer
        self._changed = threading.Condition()
        self._stopping = False
        self._running: dict[str, JobProcess] = {}
        self._progress: dict[str, Progress] = {}
        self._threads = [threading.Thread(target=self._serve, name=f"jobs-{number}") for number in range(workers)]

    def start(self) -> None:
        """Queues again what was interrupted, and begins to work."""
        self._ledger.resume()
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Says that there may be a new job."""
        with self._changed:
            self._changed.notify_all()

    def progress(self, model: Model) -> Progress | None:
        """Returns the stage that a model's training is in, and its share; None when none runs. Never waits."""
        return self._progress.get(job_key(model))

    def interrupt(self, work: Work) -> None:
        """Kills the process of a job, if it has one; its record is settled by whoever waits for the process."""
        with self._changed:
            process = self._running.get(job_key(work))
        if process is not None:
            process.kill()

    def discard(self, model: Model) -> None:
        """Removes a deleted model's files; see `Ledger.discard`."""
        self._ledger.discard(model)

    def discard_evaluation(self, evaluation: Evaluation) -> None:
        """Removes a deleted evaluation's files; see `Ledger.discard_evaluation`."""
        self._ledger.discard_evaluation(evaluation)

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
            work = self._next()
            if work is not None:
                self._run(work)

    def _next(self) -> Work | None:
        with self._changed:
            while not self._stopping:
                try:
                    work = self._ledger.claim()
                except sqlite3.Error:
                    _log.exception("The store refused to hand out a job; it is asked again soon.")
                    self._changed.wait(_PAUSE)
                    continue
                if work is not None:
                    return work
                self._changed.wait()
        return None

    def _run(self, work: Work) -> None:
        trace = self._trace(work)
        spent = work.spent_seconds if isinstance(work, Model) else 0.0
        _log.info("job for %s starts", _what(work))
        outcome: Outcome
        try:
            outcome, seconds = self._attempt(work, spent, trace)
        except JobError as exc:
            outcome, seconds = Failed(exc.code, exc.message, exc.details), 0.0
        except SealError as exc:
            outcome, seconds = Failed("unknown", str(exc)), 0.0
        except Exception:  # noqa: BLE001 - whatever it is, the job ends with a reason and the worker goes on
            _log.exception("The job process for %s could not be started or listened to.", _what(work))
            message = "The job process could not be started; the reason is in the engine's log. Train again later."
            outcome, seconds = Failed("unknown", message), 0.0
        failure = self._settle(work, outcome, spent + seconds)
        ended = f"failed, {failure.code}: {failure.message}" if failure else "ended"
        _log.info("job for %s %s after %.1f s", _what(work), ended, seconds)
        trace.end(failure.code if failure else None)

    def _attempt(self, work: Work, spent: float, trace: JobTrace) -> tuple[Outcome, float]:
        """Runs a job's process; returns how it ended, and its seconds."""
        request, key = self._orders.request(work), job_key(work)
        hours = work.budget_hours if isinstance(work, Model) else EVALUATION_HOURS
        left = hours * self._place.hour_seconds - spent
        if left <= 0:
            return OutOfTime(), 0.0
        shutil.rmtree(self._place.job(work), ignore_errors=True)
        self._charge(work, spent + min(TICK, left))

        def note(progress: Progress) -> None:
            trace.enter(progress.stage)
            self._progress[key] = progress

        with JobProcess(seconds=left, hour_seconds=self._place.hour_seconds) as process:
            with self._changed:
                self._running[key] = process
                stopping = self._stopping
            note(Progress("start_process", 0.0))
            # A cancellation or a stop that came before the process was known has found nothing to kill.
            if stopping or not self._ledger.is_wanted(work):
                process.kill()
            try:
                outcome = process.wait(
                    request,
                    on_progress=note,
                    on_tick=lambda elapsed: self._charge(work, spent + min(elapsed + TICK, left)),
                    may_give_up=isinstance(work, Model),
                )
                return outcome, min(process.elapsed, left)
            finally:
                with self._changed:
                    del self._running[key]
                del self._progress[key]
                process.kill()
                Path(request.lock).unlink(missing_ok=True)

    def _charge(self, work: Work, spent: float) -> None:
        """Writes down what the next few seconds cost, before they are spent."""
        if isinstance(work, Model):
            try:
                self._ledger.charge(work, spent)
            except sqlite3.Error as exc:
                _log.warning("The store did not take what %s has spent (%s).", _what(work), exc)

    def _settle(self, work: Work, outcome: Outcome, spent: float) -> Failure | None:
        """Writes down how a job ended, as often as it takes: a result must not be lost to a disk that is full."""
        while True:
            if isinstance(outcome, Crashed) and self._stopping:
                self._charge(work, spent)
                return None  # our own doing; the next start takes it up again
            try:
                return self._ledger.settle(work, outcome, spent)
            except sqlite3.Error:
                if self._stopping:
                    return None
                _log.exception("The store refused how %s ended; it is tried again soon.", _what(work))
                with self._changed:
                    self._changed.wait(_PAUSE)

    def _trace(self, work: Work) -> JobTrace:
        if isinstance(work, Model):
            attributes = {MODEL: work.name, DATASET: work.training_dataset}
            return JobTrace(self._tracer, "train_model", work.traceparent, attributes)
        attributes = {MODEL: work.model_name, EVALUATION: work.name, DATASET: work.test_dataset}
        return JobTrace(self._tracer, "evaluate_model", work.traceparent, attributes)


def _what(work: Work) -> str:
    return f"model '{work.name}'" if isinstance(work, Model) else f"evaluation '{work.name}' of '{work.model_name}'"
