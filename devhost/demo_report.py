"""What a demo saw, for people and as JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from devhost.console import Console
from devhost.demo_pictures import LabelledPicture

_MOST_ROWS: Final = 40
_Z_95: Final = 1.96


@dataclass(frozen=True, slots=True)
class Answer:
    """What the endpoint said about one held-out picture."""

    picture: str
    truth: str
    label: str
    confidence: float

    @property
    def right(self) -> bool:
        """Whether the label is the true one."""
        return self.label == self.truth


@dataclass(frozen=True, slots=True)
class Outcome[Said]:
    """What came of the walk.

    Attributes:
        version: The champion.
        snapshot: What it was made of.
        answers: What it said about each held-out picture.
        advice: What would help it most, in words; "" when there is nothing to say.
    """

    version: str
    snapshot: str
    answers: tuple[Said, ...]
    advice: str = ""


def tag_answer(picture: LabelledPicture, result: Mapping[str, Any]) -> Answer:
    """Reads the endpoint's customModelResult about a picture (contract §4)."""
    best = result["tagsResult"]["values"][0]
    return Answer(picture.name, picture.label, best["name"], best["confidence"])


def report(dataset: str, outcome: Outcome[Answer], hops: Mapping[str, float]) -> dict[str, Any]:
    """Returns what `--json` prints (design §4)."""
    return {
        "ok": True,
        "dataset": dataset,
        "version": outcome.version,
        "snapshot": outcome.snapshot,
        "accuracy": accuracy(outcome.answers),
        "hops": dict(hops),
        "predictions": [
            {
                "picture": answer.picture,
                "truth": answer.truth,
                "label": answer.label,
                "confidence": answer.confidence,
            }
            for answer in outcome.answers
        ],
    }


def accuracy(answers: Sequence[Answer]) -> float:
    """Returns the share of right answers."""
    return sum(answer.right for answer in answers) / len(answers)


def interval(right: int, asked: int) -> tuple[float, float]:
    """Returns the 95 % interval of a share (Wilson 1927): what the true share may be, given how few were asked."""
    share, square = right / asked, _Z_95**2 / asked
    middle = share + square / 2
    reach = _Z_95 * math.sqrt(share * (1 - share) / asked + square / asked / 4)
    return (middle - reach) / (1 + square), (middle + reach) / (1 + square)


def show(outcome: Outcome[Answer], hops: Mapping[str, float], console: Console) -> None:
    """Prints the outcome for people: the predictions, their accuracy with its interval, and the times."""
    few = len(outcome.answers) <= _MOST_ROWS
    shown = [answer for answer in outcome.answers if few or not answer.right]
    console.plain()
    console.table(
        ("picture", "truth", "label", "confidence", ""),
        [
            (answer.picture, answer.truth, answer.label, f"{answer.confidence:.3f}", "" if answer.right else "wrong")
            for answer in shown
        ],
    )
    if len(shown) < len(outcome.answers):
        console.plain(f"and {len(outcome.answers) - len(shown)} right answers")
    right, asked = sum(answer.right for answer in outcome.answers), len(outcome.answers)
    low, high = interval(right, asked)
    console.plain()
    console.plain(f"held-out accuracy  {right / asked:.1%} ({right} of {asked}; 95 % interval {low:.0%} to {high:.0%})")
    show_end(outcome, hops, console)


def show_end[Said](outcome: Outcome[Said], hops: Mapping[str, float], console: Console) -> None:
    """Prints what every outcome has: the version, its snapshot, the best advice about it, and the times."""
    console.plain(f"version            {outcome.version}")
    console.plain(f"snapshot           {outcome.snapshot}")
    if outcome.advice:
        console.plain(f"advice             {outcome.advice}")
    console.plain("seconds            " + ", ".join(f"{hop} {seconds:.1f}" for hop, seconds in hops.items()))
