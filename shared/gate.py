"""Judges whether a trained version replaces the champion. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contest:
    """What is known of candidate and champion.

    Attributes:
        candidate: The candidate's accuracy (0…1) on the test snapshot; cross-validated when that is empty.
        test_pictures: Pictures in the test snapshot.
        champion: The champion's name, or None before the first promotion.
        champion_accuracy: Its accuracy on the same test snapshot, or None when it could not be measured.
        champion_gone: Why the engine can no longer answer with the champion, or None.
    """

    candidate: float
    test_pictures: int
    champion: str | None = None
    champion_accuracy: float | None = None
    champion_gone: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """To promote or not, and why."""

    promote: bool
    reason: str


def judge(contest: Contest) -> Verdict:
    """Judge a candidate: promote it when it is not worse on the same test pictures (design §3 hop 10)."""
    share, n = f"{contest.candidate:.1%}", contest.test_pictures
    if contest.champion is None:
        if n == 0:
            return Verdict(True, f"first version; {share} cross-validated, because there are no test pictures yet")
        return Verdict(True, f"first version; {share} of {n} test pictures right")
    if contest.champion_gone is not None:
        return Verdict(True, f"{share} right; {contest.champion} can no longer answer: {contest.champion_gone}")
    if n == 0 or contest.champion_accuracy is None:
        return Verdict(False, f"no test pictures to compare it with {contest.champion} on; add pictures")
    against = f"{share} of {n} test pictures right, {contest.champion} {contest.champion_accuracy:.1%}"
    if contest.candidate >= contest.champion_accuracy:
        return Verdict(True, f"not worse: {against}")
    return Verdict(False, f"worse: {against}")
