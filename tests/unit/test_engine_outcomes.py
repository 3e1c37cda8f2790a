from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from engine.messages import Done, Failed
from engine.outcomes import MAX_CRASHES, Crashed, Outcome, OutOfTime, settled_evaluation, settled_model
from engine.records import Evaluation, Failure, Finding, Model, ModelKind, Status

START = datetime(2026, 1, 5, 10, tzinfo=UTC)
LATER = datetime(2026, 1, 5, 11, tzinfo=UTC)
PERFORMANCE = {"accuracyTop1": 1.0}


def model(*, status: Status = Status.TRAINING, crashes: int = 0, budget: int = 1) -> Model:
    return Model(
        name="m",
        kind=ModelKind.CLASSIFIER,
        training_dataset="d",
        test_dataset=None,
        budget_hours=budget,
        created=START,
        updated=START,
        status=status,
        crashes=crashes,
    )


def evaluation(*, crashes: int = 0) -> Evaluation:
    return Evaluation(
        name="e",
        model_name="m",
        test_dataset="d",
        created=START,
        updated=START,
        status=Status.RUNNING,
        crashes=crashes,
    )


@pytest.mark.parametrize(("seconds", "minutes"), [(0.1, 1), (60, 1), (61, 2), (3_599, 60), (9_999, 60)])
def test_a_result_is_charged_in_begun_minutes_within_the_budget(seconds: float, minutes: int) -> None:
    settled = settled_model(model(), Done(PERFORMANCE), seconds, LATER)
    assert (settled.status, settled.performance, settled.cost_minutes) == (Status.SUCCEEDED, PERFORMANCE, minutes)
    assert (settled.created, settled.updated) == (START, LATER)


def test_a_failure_keeps_its_code_message_and_findings() -> None:
    findings = (Finding("datasetCorrupt", "it is no picture", "http://a/coco.json, image 3"),)
    settled = settled_model(model(), Failed("datasetCorrupt", "why", findings), 1, LATER)
    assert (settled.status, settled.error) == (Status.FAILED, Failure("datasetCorrupt", "why", findings))


@pytest.mark.parametrize(
    ("budget", "outcome", "words"),
    [
        (2, OutOfTime(0.5, 4.0), "used up with 50% of the pictures read. Minimum budget 4 h; suggested 12 h."),
        (1, OutOfTime(), "Minimum budget 2 h; suggested 6 h."),
        (3, OutOfTime(1.0, 3.0), "Minimum budget 4 h; suggested 12 h."),
        (1, OutOfTime(0.03, 12.2, early=True), ("cannot be enough: with 3% of the pictures read, reading them all "
         "would take about 13 h. Minimum budget 13 h; suggested 39 h.")),
        (336, OutOfTime(0.1, 3360), "Minimum budget 336 h; suggested 336 h. No budget is longer"),
    ],
)  # fmt: skip
def test_a_budget_that_is_too_small_is_told_with_a_better_one(budget: int, outcome: OutOfTime, words: str) -> None:
    error = settled_model(model(budget=budget), outcome, 1, LATER).error
    assert error is not None
    assert error.code == "notEnoughBudget"
    assert words in error.message


def test_a_detector_may_be_told_a_longer_budget() -> None:
    detector = replace(model(budget=336), kind=ModelKind.DETECTOR)
    error = settled_model(detector, OutOfTime(0.5, 672), 1, LATER).error
    assert error is not None
    assert "Minimum budget 672 h; suggested 1344 h." in error.message


@pytest.mark.parametrize("outcome", [Done(PERFORMANCE), Failed("unknown", "x"), Crashed(-9), Crashed(1), OutOfTime()])
def test_what_was_spent_is_kept_however_it_ended(outcome: Outcome) -> None:
    assert settled_model(model(), outcome, 90.5, LATER).spent_seconds == 90.5


@pytest.mark.parametrize("outcome", [Done(PERFORMANCE), Failed("unknown", "x"), Crashed(-9), OutOfTime()])
def test_a_cancelled_training_is_cancelled_however_it_ended(outcome: Outcome) -> None:
    settled = settled_model(model(status=Status.CANCELLING), outcome, 1, LATER)
    assert (settled.status, settled.error, settled.performance) == (Status.CANCELLED, None, None)


def test_a_killed_process_is_tried_again_a_few_times() -> None:
    record, tries = model(), 0
    while record.status is not Status.FAILED:
        record = settled_model(model(crashes=record.crashes), Crashed(-9), 1, LATER)
        tries += 1
    assert tries == MAX_CRASHES
    assert record.error is not None
    assert (record.error.code, "signal 9" in record.error.message) == ("unknown", True)


def test_a_process_that_failed_by_itself_would_fail_again() -> None:
    settled = settled_model(model(), Crashed(1), 1, LATER)
    assert settled.error is not None
    assert (settled.status, "exit status 1" in settled.error.message) == (Status.FAILED, True)


def test_an_evaluation_settles_likewise_in_its_own_words() -> None:
    assert settled_evaluation(evaluation(), Done(PERFORMANCE), LATER).performance == PERFORMANCE
    assert settled_evaluation(evaluation(), Crashed(-9), LATER).status is Status.NOT_STARTED
    for outcome in (Failed("unknown", "x"), Crashed(1), OutOfTime()):
        error = settled_evaluation(evaluation(), outcome, LATER).error
        assert error is not None
        assert error.code == "internalServerError"
    findings = (Finding("datasetCorrupt", "x", "y"),)
    for code, told in (("datasetCorrupt", "datasetCorrupt"), ("unknown", "internalServerError")):
        error = settled_evaluation(evaluation(), Failed(code, "x", findings), LATER).error
        assert error == Failure(told, "x", findings)
