"""How a job can end, and what then stands on its record. Pure: no clock, no store, no process."""

import math
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from engine.messages import Done, Failed
from engine.records import Evaluation, Failure, Model, Status

MAX_BUDGET_HOURS = 336  # contract §2.2, for classifiers
MAX_CRASHES = 5
EVALUATION_HOURS = 24


@dataclass(frozen=True, slots=True)
class Crashed:
    """The process ended without a result. A negative status is the signal that killed it."""

    status: int


@dataclass(frozen=True, slots=True)
class OutOfTime:
    """The process was ended at its deadline; `share` is how much of its pictures it had embedded by then, 0 to 1."""

    share: float


type Outcome = Done | Failed | Crashed | OutOfTime


def settled_model(model: Model, outcome: Outcome, seconds: float, now: datetime) -> Model:
    """Returns the model's record after its process ended.

    A job whose process was killed is queued again, a few times; a cancelled one is cancelled however it ended.

    Args:
        model: The record as it is now.
        outcome: How the process ended.
        seconds: How long it ran.
        now: Becomes updatedDateTime.
    """
    if model.status is Status.CANCELLING:
        return replace(model, status=Status.CANCELLED, updated=now)
    if isinstance(outcome, Crashed) and _may_run_again(outcome, model.crashes):
        return replace(model, status=Status.NOT_STARTED, crashes=model.crashes + 1, updated=now)
    if isinstance(outcome, Done):
        minutes = min(60 * model.budget_hours, max(1, math.ceil(seconds / 60)))
        return replace(
            model, status=Status.SUCCEEDED, performance=outcome.performance, cost_minutes=minutes, updated=now
        )
    if isinstance(outcome, OutOfTime):
        failure = Failure("notEnoughBudget", _budget_message(model.budget_hours, outcome.share))
    else:
        failure = _failure(outcome)
    return replace(model, status=Status.FAILED, error=failure, updated=now)


def settled_evaluation(evaluation: Evaluation, outcome: Outcome, now: datetime) -> Evaluation:
    """Returns the evaluation's record after its process ended; see `settled_model`."""
    if isinstance(outcome, Crashed) and _may_run_again(outcome, evaluation.crashes):
        return replace(evaluation, status=Status.NOT_STARTED, crashes=evaluation.crashes + 1, updated=now)
    if isinstance(outcome, Done):
        return replace(evaluation, status=Status.SUCCEEDED, performance=outcome.performance, updated=now)
    if isinstance(outcome, OutOfTime):
        failure = Failure("unknown", f"It took more than {EVALUATION_HOURS} h. Use a smaller test data set.")
    else:
        failure = _failure(outcome)
    if failure.code == "unknown":  # contract §5 has another word for it on evaluations
        failure = replace(failure, code="internalServerError")
    return replace(evaluation, status=Status.FAILED, error=failure, updated=now)


def _may_run_again(crash: Crashed, crashes: int) -> bool:
    return crash.status < 0 and crashes + 1 < MAX_CRASHES


def _failure(outcome: Failed | Crashed) -> Failure:
    if isinstance(outcome, Failed):
        return Failure(outcome.code, outcome.message, outcome.details)
    if outcome.status < 0:
        return Failure(
            "unknown",
            f"The job process was killed {MAX_CRASHES} times, last by signal {-outcome.status}. "
            "Is memory short? See the engine's log, then train again under a new name.",
        )
    return Failure(
        "unknown",
        f"The job process failed (exit status {outcome.status}); the reason is in the engine's log. "
        "Train again under a new name.",
    )


def _budget_message(budget_hours: int, share: float) -> str:
    minimum = min(MAX_BUDGET_HOURS, max(budget_hours + 1, math.ceil(budget_hours / max(share, 0.01))))
    suggested = min(MAX_BUDGET_HOURS, 3 * minimum)
    return (
        f"The budget of {budget_hours} h was used up with {share:.0%} of the pictures read. "
        f"Minimum budget {minimum} h; suggested {suggested} h."
    )
