"""What a demo saw of a detector: boxes beside the drawn ones, for people and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from devhost.console import Console
from devhost.demo_pictures import Box, LabelledPicture
from devhost.demo_report import Outcome, interval, show_end

SURE: Final = 0.5
"""Boxes that are less likely than not are not counted, nor shown."""

SAME_PLACE: Final = 0.5
"""Two boxes whose intersection is so much of their union are at one place, as in mAP@50."""

_MOST_ROWS: Final = 60


@dataclass(frozen=True, slots=True)
class Found:
    """A box that the endpoint found, and how sure it is of it."""

    box: Box
    confidence: float


@dataclass(frozen=True, slots=True)
class Match:
    """A true box and the found box at its place, or one without the other."""

    truth: Box | None
    found: Found | None

    @property
    def overlap(self) -> float:
        """Intersection over union; 0 for one without the other."""
        return overlap(self.truth, self.found.box) if self.truth and self.found else 0.0

    @property
    def right(self) -> bool:
        """Whether the found box is at its place and has the true label."""
        return self.truth is not None and self.found is not None and self.truth.label == self.found.box.label


@dataclass(frozen=True, slots=True)
class BoxAnswer:
    """What the endpoint said about one held-out picture.

    Attributes:
        picture: Its name.
        truth: Its boxes.
        found: What was found, whatever its confidence.
    """

    picture: str
    truth: tuple[Box, ...]
    found: tuple[Found, ...]

    def matches(self) -> Iterator[Match]:
        """Yields each true box and each sure box once; the most confident chooses first, its own label before."""
        sure = sorted((one for one in self.found if one.confidence >= SURE), key=lambda one: -one.confidence)
        free, pairs = list(self.truth), dict[int, Box]()
        for own_label in (True, False):
            for number, one in enumerate(sure):
                there = [
                    box
                    for box in free
                    if (box.label == one.box.label) is own_label and overlap(box, one.box) >= SAME_PLACE
                ]
                if there and number not in pairs:
                    pairs[number] = max(there, key=lambda box: overlap(box, one.box))
                    free.remove(pairs[number])
        yield from (Match(pairs.get(number), one) for number, one in enumerate(sure))
        yield from (Match(box, None) for box in free)


def box_answer(picture: LabelledPicture, result: Mapping[str, Any]) -> BoxAnswer:
    """Reads the endpoint's customModelResult about a picture (contract §4)."""
    found = []
    for value in result["objectsResult"]["values"]:
        place, tag = value["boundingBox"], value["tags"][0]
        found.append(Found(Box(tag["name"], place["x"], place["y"], place["w"], place["h"]), tag["confidence"]))
    return BoxAnswer(picture.name, picture.boxes, tuple(found))


def overlap(one: Box, other: Box) -> float:
    """Returns intersection over union of two boxes."""
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / (one.width * one.height + other.width * other.height - shared)


def box_report(dataset: str, outcome: Outcome[BoxAnswer], hops: Mapping[str, float]) -> dict[str, Any]:
    """Returns what `--json` prints; boxes are left, top, width, height in pixels of the picture."""
    right, true, sure = _counted(outcome.answers)
    return {
        "ok": True,
        "kind": "detection",
        "dataset": dataset,
        "version": outcome.version,
        "snapshot": outcome.snapshot,
        "recall": right / true,
        "precision": right / sure if sure else 0.0,
        "hops": dict(hops),
        "predictions": [
            {
                "picture": answer.picture,
                "truth": [{"label": box.label, "box": _numbers(box)} for box in answer.truth],
                "found": [
                    {
                        "label": match.found.box.label,
                        "confidence": match.found.confidence,
                        "box": _numbers(match.found.box),
                        "overlap": round(match.overlap, 4),
                        "right": match.right,
                    }
                    for match in answer.matches()
                    if match.found is not None
                ],
            }
            for answer in outcome.answers
        ],
    }


def show_boxes(outcome: Outcome[BoxAnswer], hops: Mapping[str, float], console: Console) -> None:
    """Prints the outcome for people: each true box with what was found there, how many are right, and the times."""
    matches = [(answer.picture, match) for answer in outcome.answers for match in answer.matches()]
    shown = [(name, match) for name, match in matches if len(matches) <= _MOST_ROWS or not match.right]
    console.plain()
    head = ("picture", "truth", "found", "confidence", "overlap", "")
    console.table(head, [_row(name, match) for name, match in shown[:_MOST_ROWS]])
    if len(shown[:_MOST_ROWS]) < len(matches):
        console.plain(f"and {len(matches) - len(shown[:_MOST_ROWS])} more")
    right, true, sure = _counted(outcome.answers)
    console.plain()
    console.plain(f"boxes found        {_share(right, true)}")
    console.plain(f"found boxes right  {_share(right, sure)}" if sure else "found boxes right  none was found")
    show_end(outcome, hops, console)


def _counted(answers: Sequence[BoxAnswer]) -> tuple[int, int, int]:
    """Counts right boxes, true boxes and sure boxes."""
    matches = [match for answer in answers for match in answer.matches()]
    right = sum(match.right for match in matches)
    return right, sum(match.truth is not None for match in matches), sum(match.found is not None for match in matches)


def _share(right: int, of: int) -> str:
    low, high = interval(right, of)
    return f"{right / of:.1%} ({right} of {of}; 95 % interval {low:.0%} to {high:.0%})"


def _row(name: str, match: Match) -> tuple[str, ...]:
    truth = match.truth.label if match.truth else ""
    if match.found is None:
        return name, truth, "", "", "", "missed"
    remark = "" if match.right else ("wrong" if match.truth else "nothing there")
    place = f"{match.overlap:.2f}" if match.truth else ""
    return name, truth, match.found.box.label, f"{match.found.confidence:.3f}", place, remark


def _numbers(box: Box) -> list[float]:
    return [box.left, box.top, box.width, box.height]
