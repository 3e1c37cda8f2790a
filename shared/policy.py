"""Decides whether a dataset is to be trained now. Pure: everything it looks at is an argument."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.kinds import Kind
from shared.sides import PIN_FROM
from shared.stock import LabelStock

LEAST_TRAIN_PICTURES: Final = 2  # the engine's own least, contract §3.1
MOST_ATTEMPTS: Final = 3  # on one snapshot


@dataclass(frozen=True, slots=True)
class Rules:
    """The thresholds; settings give them and ``dataset.json`` may override them."""

    min_pictures_per_label: int
    min_labels: int
    min_new_pictures: int
    quiet_period: timedelta
    cool_down: timedelta


@dataclass(frozen=True, slots=True)
class LastTraining:
    """What the policy asks of the newest version.

    Attributes:
        version: Its name.
        digest: Its snapshot's digest.
        changes: The dataset's count of changes when it was snapshotted.
        ended_at: When it reached its last state.
        failed: Whether it failed or timed out.
        attempts: How many versions of its snapshot failed or timed out.
        reason: What the registry says of its end.
    """

    version: str
    digest: str
    changes: int
    ended_at: datetime
    failed: bool
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of a dataset when the policy is asked.

    Attributes:
        kind: What it teaches, or None with the reason in `unclear`.
        unclear: Why the kind is not known.
        labels: Distinct pictures per label and side; before a survey, all of them.
        changes: The dataset's count of changes.
        last_change_at: When the live file was last written.
        same_snapshot: Whether the ready labels' pictures are those of the newest ended version.
        in_flight: The version in training, or None.
        last: The newest ended version, or None.
        has_champion: Whether a version was ever promoted.
    """

    kind: Kind | None
    unclear: str
    labels: Mapping[str, LabelStock]
    changes: int
    last_change_at: datetime
    same_snapshot: bool
    in_flight: str | None
    last: LastTraining | None
    has_champion: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """To train or not, and why.

    Attributes:
        go: Whether to train now.
        reasons: One sentence each, for people.
        labels: The labels that meet the threshold.
    """

    go: bool
    reasons: tuple[str, ...]
    labels: tuple[str, ...]


def decide(rules: Rules, situation: Situation, *, now: datetime) -> Decision:
    """Decide whether to train (design §3 hop 5). Every rule that stands against it is named."""
    ready = ready_labels(rules, situation.labels)
    short = [text for label, sides in situation.labels.items() if (text := _shortfall(label, sides, rules))]
    against = [
        *([situation.unclear] if situation.kind is None else []),
        *_too_few_labels(_least_labels(rules, situation), ready, short),
        *_no_way_to_compare(situation, ready),
        *_nothing_new(rules, situation),
        *_not_yet(rules, situation, now),
    ]
    if against:
        return Decision(False, tuple(against), ready)
    left_out = tuple(f"{text}; it is left out" for text in short)
    return Decision(True, (f"{len(ready)} labels are ready: {', '.join(ready)}", *left_out), ready)


def ready_labels(rules: Rules, labels: Mapping[str, LabelStock]) -> tuple[str, ...]:
    """Return the labels that have enough pictures to be trained."""
    return tuple(label for label, sides in labels.items() if not _shortfall(label, sides, rules))


def _shortfall(label: str, sides: LabelStock, rules: Rules) -> str | None:
    total = sides.train + sides.test
    if total < rules.min_pictures_per_label:
        return f"label '{label}' has {total} of {rules.min_pictures_per_label} pictures"
    if sides.train < LEAST_TRAIN_PICTURES:
        return (
            f"label '{label}' has {total} pictures but only {sides.train} on the training side, "
            f"where {LEAST_TRAIN_PICTURES} are needed; add pictures"
        )
    return None


def _least_labels(rules: Rules, situation: Situation) -> int:
    """Return how many labels must be ready; one is enough for boxes when there is no other."""
    if situation.kind == "detection":
        return min(rules.min_labels, max(len(situation.labels), 1))
    return rules.min_labels


def _too_few_labels(least: int, ready: tuple[str, ...], short: list[str]) -> list[str]:
    if len(ready) >= least:
        return []
    return [f"{len(ready)} of {least} labels are ready", *short]


def _no_way_to_compare(situation: Situation, ready: tuple[str, ...]) -> list[str]:
    if not situation.has_champion or any(situation.labels[label].test for label in ready):
        return []
    if any(situation.labels[label].train >= PIN_FROM for label in ready):
        return []  # the snapshot moves a picture that was never trained on to the test side
    return ["no picture is on the test side, so a new version could not be compared with the champion; add pictures"]


def _nothing_new(rules: Rules, situation: Situation) -> list[str]:
    last = situation.last
    if last is None:
        return []
    if last.failed:
        if not situation.same_snapshot or last.attempts < MOST_ATTEMPTS:
            return []
        tries = f"{last.version} failed, attempt {last.attempts} of {MOST_ATTEMPTS} on the same pictures"
        return [f"{tries}: {last.reason} Change a picture to try again."]
    if situation.same_snapshot:
        return [f"nothing new that can be trained on since {last.version}"]
    new = situation.changes - last.changes
    if 0 <= new < rules.min_new_pictures:  # below 0: the file was deleted and built anew
        return [f"{new} of {rules.min_new_pictures} new or changed pictures since {last.version}"]
    return []


def _not_yet(rules: Rules, situation: Situation, now: datetime) -> list[str]:
    reasons = []
    if situation.in_flight is not None:
        reasons.append(f"{situation.in_flight} is in training")
    quiet_at = situation.last_change_at + rules.quiet_period
    if now < quiet_at:
        reasons.append(f"pictures are still coming in; quiet for {rules.quiet_period} at {quiet_at:%H:%M:%S} UTC")
    if situation.last is not None and now < situation.last.ended_at + rules.cool_down:
        reasons.append(f"cooling down until {situation.last.ended_at + rules.cool_down:%H:%M:%S} UTC")
    return reasons
