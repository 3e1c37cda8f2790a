"""How a job can end, and what then stands on its record. Pure: no clock, no store, no process."""

import math
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from engine.messages import Done, Failed
from engine.records import MAX_BUDGET_HOURS, Evaluation, Failure, Model, Status

MAX_CRASHES = 5
EVALUATION_HOURS = 24


@dataclass(frozen=True, slots=True)
class Crashed:
    """The process ended without a result. A negative status is the signal that killed it."""

    status: int


@dataclass(frozen=True, slots=True)
class OutOfTime:
    """The process was ended for its budget, or was not started because earlier attempts had used it up.

    Attributes:
        share: How much of its pictures it had embedded by then, 0 to 1.
        needed_hours: Hours of budget that reading them all takes at the least on this machine; None when not known.
        early: Whether it was ended before the budget was used up, because that could not be enough.
    """

    share: float = 0.0
    needed_hours: float | None = None
    early: bool = False


type Outcome = Done | Failed | Crashed | OutOfTime


def settled_model(model: Model, outcome: Outcome, spent_seconds: float, now: datetime) -> Model:
    """Returns the model's record after its process ended.

    A job whose process was killed is queued again, a few times; a cancelled one is cancelled however it ended.

    Args:
        model: The record as it is now.
        outcome: How the process ended.
        spent_seconds: How long it and all earlier attempts ran.
        now: Becomes updatedDateTime.
    """
    model = replace(model, spent_seconds=spent_seconds, updated=now)
    if model.status is Status.CANCELLING:
        return replace(model, status=Status.CANCELLED)
    if isinstance(outcome, Crashed) and _may_run_again(outcome, model.crashes):
        return replace(model, status=Status.NOT_STARTED, crashes=model.crashes + 1)
    if isinstance(outcome, Done):
        minutes = min(60 * model.budget_hours, max(1, math.ceil(spent_seconds / 60)))
        return replace(model, status=Status.SUCCEEDED, performance=outcome.performance, cost_minutes=minutes)
    failure = _short_budget(model, outcome) if isinstance(outcome, OutOfTime) else _failure(outcome)
    return replace(model, status=Status.FAILED, error=failure)


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


def _short_budget(model: Model, outcome: OutOfTime) -> Failure:
    """Says what budget would do; the figures are this machine's, not Azure's."""
    most = MAX_BUDGET_HOURS[model.kind]
    budget, needed = model.budget_hours, outcome.needed_hours
    least = max(budget + 1, math.ceil(needed) if needed is not None else 2 * budget)
    if outcome.early:
        what = (
            f"The budget of {budget} h cannot be enough: with {outcome.share:.0%} of the pictures read, "
            f"reading them all would take about {math.ceil(needed or 0)} h."
        )
    else:
        what = f"The budget of {budget} h was used up with {outcome.share:.0%} of the pictures read."
    advice = f"Minimum budget {min(most, least)} h; suggested {min(most, 3 * least)} h."
    if least > most:
        advice += " No budget is longer: use fewer pictures or a faster machine."
    return Failure("notEnoughBudget", f"{what} {advice}")
