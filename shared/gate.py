"""Judges whether a trained version replaces the champion. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from shared.kinds import Kind

type Metric = Literal["accuracy", "averagePrecision", "meanAveragePrecision50"]

METRICS: Final[Mapping[Kind, Metric]] = {
    "classification": "accuracy",
    "multilabel": "averagePrecision",
    "detection": "meanAveragePrecision50",
}
"""What versions of each kind are compared on: top-1 accuracy, macro average precision, or that of boxes that share
half of their union with a true one (contract §2.3)."""

_WORDS: Final[Mapping[Metric, str]] = {
    "averagePrecision": "average precision",
    "meanAveragePrecision50": "mean average precision",
}


@dataclass(frozen=True, slots=True)
class Contest:
    """What is known of candidate and champion.

    Attributes:
        candidate: The candidate's figure (0…1) on the test snapshot; cross-validated when that is empty.
        test_pictures: Pictures in the test snapshot.
        champion: The champion's name, or None before the first promotion.
        champion_value: Its figure on the same test snapshot, or None when it could not be measured.
        champion_gone: Why the engine can no longer answer with the champion, or None.
        metric: What the figures are.
    """

    candidate: float
    test_pictures: int
    champion: str | None = None
    champion_value: float | None = None
    champion_gone: str | None = None
    metric: Metric = "accuracy"


@dataclass(frozen=True, slots=True)
class Verdict:
    """To promote or not, and why."""

    promote: bool
    reason: str


def judge(contest: Contest) -> Verdict:
    """Judge a candidate: promote it when it is not worse on the same test pictures (design §3 hop 10)."""
    figure, n = f"{contest.candidate:.1%}", contest.test_pictures
    words = _WORDS.get(contest.metric)
    if words is None:
        measured, of_tests = f"{figure} right", f"{figure} of {n} test pictures right"
    else:
        measured, of_tests = f"{words} {figure}", f"{words} {figure} on {n} test pictures"
    if contest.champion is None:
        if n == 0:
            why = "cross-validated, because there are no test pictures yet"
            return Verdict(True, f"first version; {measured}, {why}")
        return Verdict(True, f"first version; {of_tests}")
    if contest.champion_gone is not None:
        return Verdict(True, f"{measured}; {contest.champion} can no longer answer: {contest.champion_gone}")
    if n == 0 or contest.champion_value is None:
        return Verdict(False, f"no test pictures to compare it with {contest.champion} on; add pictures")
    against = f"{of_tests}, {contest.champion} {contest.champion_value:.1%}"
    if contest.candidate >= contest.champion_value:
        return Verdict(True, f"not worse: {against}")
    return Verdict(False, f"worse: {against}")
