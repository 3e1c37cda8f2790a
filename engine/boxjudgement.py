"""What is said of a detector's boxes: the contract's figures, and where they are wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.boxedset import BoxedSet
from engine.learn.detection_metrics import FoundBoxes, TrueBoxes, measure_detections, overlaps
from engine.objects import box_json, pixel_boxes

SURE: Final = 0.5  # confidence from which a found box counts in the tables and as a mistake
SAME_PLACE: Final = 0.5  # overlap from which two boxes are at one place
MOST_MISTAKES: Final = 20


@dataclass(frozen=True, slots=True)
class Pair:
    """A true box and the sure box at its place, or one without the other.

    Attributes:
        true: Number of the true box; None where there is none.
        found: Number of the found box; None where there is none.
        confidence: How sure a wrong answer was: the found box's; of a missed box, that there is nothing.
    """

    true: int | None
    found: int | None
    confidence: float


@dataclass(frozen=True, slots=True)
class JudgedBoxes:
    """Boxes that were found in pictures whose boxes are known.

    Attributes:
        labels: The model's k labels.
        found: In each picture; left, top, width, height in 0…1.
        pictures: The n pictures.
    """

    labels: tuple[str, ...]
    found: tuple[FoundBoxes, ...]
    pictures: BoxedSet

    def performance(self, kept: NDArray[np.bool_] | None = None) -> dict[str, Any]:
        """Returns the contract's modelPerformance of all pictures, or of those that are `kept` (n,), at least one."""
        numbers = range(len(self.found)) if kept is None else np.flatnonzero(kept).tolist()
        truth = [self.pictures.truth[number] for number in numbers]
        return measure_detections(truth, [self.found[number] for number in numbers]).as_wire()

    def tables(self) -> dict[str, Any]:
        """Counts which boxes were found, taken for others, missed and made up, and names the worst mistakes."""
        pairs = [
            (number, pair)
            for number, (true, found) in enumerate(zip(self.pictures.truth, self.found, strict=True))
            for pair in paired(true, found)
        ]
        wrong = [(number, pair) for number, pair in pairs if self._truth(number, pair) != self._said(number, pair)]
        wrong.sort(key=lambda mistake: (-mistake[1].confidence, mistake[0]))
        return self._counts(pairs) | {
            "worstMistakes": [self._mistake(number, pair) for number, pair in wrong[:MOST_MISTAKES]]
        }

    def _counts(self, pairs: list[tuple[int, Pair]]) -> dict[str, Any]:
        names = [*self.labels, *sorted({label for true in self.pictures.labels for label in true} - set(self.labels))]
        row = {name: position for position, name in enumerate([*names, None])}
        cells = np.zeros((len(row), len(row)), dtype=np.int64)  # the last row and column are for nothing
        for number, pair in pairs:
            cells[row[self._truth(number, pair)], row[self._said(number, pair)]] += 1
        boxes, predicted, right = cells.sum(axis=1), cells.sum(axis=0), np.diagonal(cells)
        pictures = [sum(name in labels for labels in self.pictures.labels) for name in names]
        rates = (right / np.maximum(predicted, 1), right / np.maximum(boxes, 1))
        columns = [column[:-1].tolist() for column in (*rates, boxes, predicted)]
        return {
            "boxConfusion": {
                "labels": names,
                "counts": cells[:-1, :-1].tolist(),
                "missed": cells[:-1, -1].tolist(),
                "unfounded": cells[-1, :-1].tolist(),
            },
            "perLabel": {
                name: {"precision": p, "recall": r, "pictures": n, "boxes": true, "predicted": said}
                for name, n, p, r, true, said in zip(names, pictures, *columns, strict=True)
            },
        }

    def _mistake(self, number: int, pair: Pair) -> dict[str, Any]:
        """Describes a mistake; `truth` or `predicted` is null where there is no box, and the box is the found one."""
        one, place = (
            (self.pictures.truth[number], pair.true) if pair.found is None else (self.found[number], pair.found)
        )
        width, height = self.pictures.sizes[number].tolist()
        (box,) = pixel_boxes(one.boxes[place][np.newaxis], width, height)
        return {
            "image": self.pictures.names[number],
            "url": self.pictures.urls[number],
            "truth": self._truth(number, pair),
            "predicted": self._said(number, pair),
            "confidence": pair.confidence,
            "boundingBox": box_json(box),
        }

    def _truth(self, number: int, pair: Pair) -> str | None:
        return None if pair.true is None else self.pictures.truth[number].labels[pair.true]

    def _said(self, number: int, pair: Pair) -> str | None:
        return None if pair.found is None else self.found[number].labels[pair.found]


def paired(true: TrueBoxes, found: FoundBoxes) -> Iterator[Pair]:
    """Yields each true box and each sure box of a picture once: together when they are at one place.

    The most confident box chooses first, a true box of its own label before one of another.
    """
    shares = overlaps(found.boxes.reshape(-1, 4), true.boxes.reshape(-1, 4), true.crowds)
    alike = np.array(found.labels, dtype=object)[:, None] == np.array(true.labels, dtype=object)[None]
    order = np.argsort(-found.confidences, kind="stable").tolist()
    sure = [number for number in order if found.confidences[number] >= SURE]
    partner = np.full(len(found.labels), -1)  # of each found box
    free = np.ones(len(true.labels), dtype=np.bool_)
    for wanted in (alike, ~alike):
        for number in sure:
            candidates = np.where(free & wanted[number], shares[number], 0.0)
            if partner[number] < 0 and candidates.max(initial=0.0) >= SAME_PLACE:
                partner[number] = np.argmax(candidates)
                free[partner[number]] = False
    for number in sure:
        place = int(partner[number])
        yield Pair(None if place < 0 else place, number, float(found.confidences[number]))
    for place in np.flatnonzero(free).tolist():
        hints = found.confidences[alike[:, place] & (shares[:, place] >= SAME_PLACE)]
        yield Pair(place, None, 1.0 - float(hints.max(initial=0.0)))
