from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.policy import LastTraining, Rules, Situation, decide
from shared.stock import LabelStock

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
RULES = Rules(
    min_pictures_per_label=5,
    min_labels=2,
    min_new_pictures=3,
    quiet_period=timedelta(seconds=60),
    cool_down=timedelta(minutes=5),
)
READY = {"nut": LabelStock(4, 1), "bolt": LabelStock(5, 0)}


def situation(labels: Mapping[str, LabelStock] = READY, **changed: object) -> Situation:
    values: dict[str, object] = {
        "kind": "classification",
        "unclear": "",
        "labels": labels,
        "changes": 10,
        "last_change_at": NOW - timedelta(hours=1),
        "same_snapshot": False,
        "in_flight": None,
        "last": None,
        "has_champion": False,
    }
    return Situation(**{**values, **changed})  # type: ignore[arg-type]  # a test's shorthand


def last(**changed: object) -> LastTraining:
    values: dict[str, object] = {
        "version": "parts.0123456789ab.1",
        "digest": "0123456789ab",
        "changes": 10,
        "ended_at": NOW - timedelta(hours=1),
        "failed": False,
        "attempts": 1,
        "reason": "worse.",
    }
    return LastTraining(**{**values, **changed})  # type: ignore[arg-type]  # a test's shorthand


def test_two_ready_labels_and_quiet_are_enough_for_the_first_training() -> None:
    decision = decide(RULES, situation(), now=NOW)
    assert decision.go
    assert decision.labels == ("nut", "bolt")


def test_a_label_below_the_threshold_is_left_out_and_named() -> None:
    decision = decide(RULES, situation({**READY, "washer": LabelStock(3, 0)}), now=NOW)
    assert decision.go
    assert "washer" not in decision.labels
    assert "label 'washer' has 3 of 5 pictures; it is left out" in decision.reasons


def test_too_few_ready_labels_are_told_with_what_they_lack() -> None:
    decision = decide(RULES, situation({"nut": LabelStock(5, 0), "bolt": LabelStock(3, 0)}), now=NOW)
    assert not decision.go
    assert decision.reasons == ("1 of 2 labels are ready", "label 'bolt' has 3 of 5 pictures")


def test_a_dataset_of_boxes_trains_with_one_label_when_it_has_no_other() -> None:
    alone = {"nut": LabelStock(5, 1)}
    assert decide(RULES, situation(alone, kind="detection"), now=NOW).go
    assert not decide(RULES, situation(alone), now=NOW).go
    both = {**alone, "bolt": LabelStock(1, 0)}
    decision = decide(RULES, situation(both, kind="detection"), now=NOW)
    assert decision.reasons == ("1 of 2 labels are ready", "label 'bolt' has 1 of 5 pictures")
    assert not decide(RULES, situation({}, kind="detection"), now=NOW).go


def test_a_label_whose_pictures_chance_put_on_the_test_side_is_not_ready() -> None:
    decision = decide(RULES, situation({"nut": LabelStock(5, 0), "bolt": LabelStock(1, 6)}), now=NOW)
    assert not decision.go
    assert "only 1 on the training side" in decision.reasons[1]


def test_it_waits_until_pictures_stop_coming() -> None:
    decision = decide(RULES, situation(last_change_at=NOW - timedelta(seconds=59)), now=NOW)
    assert not decision.go
    assert "still coming in" in decision.reasons[0]


def test_one_version_at_a_time() -> None:
    decision = decide(RULES, situation(in_flight="parts.0123456789ab.1"), now=NOW)
    assert not decision.go
    assert decision.reasons == ("parts.0123456789ab.1 is in training",)


def test_it_cools_down_after_a_training() -> None:
    ended = last(ended_at=NOW - timedelta(minutes=4), changes=0)
    assert "cooling down until 10:01:00 UTC" in decide(RULES, situation(last=ended), now=NOW).reasons


def test_it_waits_for_enough_new_pictures() -> None:
    assert decide(RULES, situation(last=last(changes=8)), now=NOW).reasons == (
        "2 of 3 new or changed pictures since parts.0123456789ab.1",
    )
    assert decide(RULES, situation(last=last(changes=7)), now=NOW).go


def test_changes_that_reach_no_snapshot_start_no_training() -> None:
    decision = decide(RULES, situation(last=last(changes=0), same_snapshot=True), now=NOW)
    assert decision.reasons == ("nothing new that can be trained on since parts.0123456789ab.1",)


def test_a_file_that_was_built_anew_counts_from_zero_and_may_be_trained() -> None:
    assert decide(RULES, situation(changes=4, last=last(changes=44)), now=NOW).go


def test_a_failed_training_is_tried_again_three_times_on_the_same_pictures() -> None:
    assert decide(RULES, situation(last=last(failed=True, attempts=2), same_snapshot=True), now=NOW).go
    assert decide(RULES, situation(last=last(failed=True, attempts=3, changes=9)), now=NOW).go
    third = decide(RULES, situation(last=last(failed=True, attempts=3), same_snapshot=True), now=NOW)
    assert not third.go
    assert "attempt 3 of 3" in third.reasons[0]
    assert "Change a picture" in third.reasons[0]


def test_a_second_version_needs_a_test_picture_to_be_compared_on() -> None:
    bare = {"nut": LabelStock(4, 0), "bolt": LabelStock(4, 0)}
    rules = Rules(4, 2, 1, timedelta(0), timedelta(0))
    assert decide(rules, situation(bare), now=NOW).go
    assert not decide(rules, situation(bare, has_champion=True), now=NOW).go


sides = st.builds(LabelStock, st.integers(0, 9), st.integers(0, 9))


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), sides), st.integers(0, 20), st.booleans())
def test_it_never_trains_below_the_thresholds_and_always_says_why(
    labels: dict[str, LabelStock], changes: int, has_champion: bool
) -> None:
    known = situation(labels, changes=changes, has_champion=has_champion, last=last(changes=0))
    decision = decide(RULES, known, now=NOW)
    assert decision.reasons
    if decision.go:
        assert len(decision.labels) >= RULES.min_labels
        assert changes >= RULES.min_new_pictures
        assert all(labels[name].train + labels[name].test >= 5 and labels[name].train >= 2 for name in decision.labels)
