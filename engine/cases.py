"""Makes of what a model said the cases that advice is about, with what pictures and boxes may have in common."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.advice import NOTHING, Cases, Mark
from engine.boxjudgement import JudgedBoxes, paired
from engine.judgement import Judged
from engine.learn.detection_metrics import TrueBoxes, overlaps
from engine.learn.multilabel_metrics import TRUE_FROM, memberships
from engine.learn.traits import SHAPED

QUARTER: Final = 0.25  # of the cases have least or most of a trait
_TOUCHING: Final = 0.1  # share of a box that another one covers, from which it overlaps
_BORDER: Final = 0.005  # of the picture's side: boxes that end so near to its border are cut off

_QUARTERS: Final = (  # trait, whether the least of it, name, what such pictures are, remedy
    ("brightness", True, "dark", "among the darkest of the pictures", "add some dark ones"),
    ("brightness", False, "bright", "among the brightest of the pictures", "add some bright ones"),
    ("sharpness", True, "blurred", "among the least sharp of the pictures", "add sharper ones"),
    ("colour", True, "grey", "among the least colourful of the pictures", "add some like them"),
    ("side", True, "small", "among the smallest of the pictures", "add larger ones, or some as small"),
    ("narrowness", False, "narrow", "among the narrowest of the pictures", "add some like them, or crop"),
)


def cases_of(said: Judged | JudgedBoxes) -> Cases:
    """Returns the cases of what a model said; labels that the model lacks are left out."""
    if isinstance(said, JudgedBoxes):
        return _boxes(said)
    return _memberships(said) if said.multilabel else _pictures(said)


def _pictures(judged: Judged) -> Cases:
    """A case is a picture, which has one label."""
    number = {label: position for position, label in enumerate(judged.labels)}
    truth = np.array([number.get(label, NOTHING) for (label,) in judged.pictures.labels], dtype=np.intp)
    known = np.flatnonzero(truth != NOTHING)
    said = np.argmax(judged.confidences, axis=1)
    unfounded = np.zeros(len(judged.labels), dtype=np.intp)
    marks = _picture_marks(judged.pictures.traits, known)
    return Cases("pictures", judged.labels, truth[known], said[known], marks, unfounded)


def _memberships(judged: Judged) -> Cases:
    """A case is a label that a picture has; a label that is said of a picture without it is unfounded."""
    members, said = memberships(judged.pictures.labels, judged.labels), judged.confidences >= TRUE_FROM
    pictures, truth = np.nonzero(members)
    answers = np.where(said[pictures, truth], truth, NOTHING)
    marks = _picture_marks(judged.pictures.traits, pictures)
    return Cases("pictures", judged.labels, truth, answers, marks, (said & ~members).sum(axis=0))


def _boxes(judged: JudgedBoxes) -> Cases:
    """A case is a true box; a sure box that has none is unfounded."""
    number = {label: position for position, label in enumerate(judged.labels)}
    pictures, places, truth, said = [], [], [], []
    unfounded = np.zeros(len(judged.labels), dtype=np.intp)
    for picture, (true, found) in enumerate(zip(judged.pictures.truth, judged.found, strict=True)):
        for pair in paired(true, found):
            answer = NOTHING if pair.found is None else number[found.labels[pair.found]]
            if pair.true is None:
                unfounded[answer] += 1
            elif true.labels[pair.true] in number and not true.crowds[pair.true]:
                pictures.append(picture)
                places.append(pair.true)
                truth.append(number[true.labels[pair.true]])
                said.append(answer)
    of = np.array(pictures, dtype=np.intp)
    marks = (*_box_marks(judged.pictures.truth, of, places), *_picture_marks(judged.pictures.traits, of))
    return Cases("boxes", judged.labels, np.array(truth, np.intp), np.array(said, np.intp), marks, unfounded)


def _picture_marks(traits: NDArray[np.float32] | None, pictures: NDArray[np.intp]) -> tuple[Mark, ...]:
    """Says of cases in `pictures` (m,) whether these are among those that have least or most of a trait."""
    if traits is None:
        return ()
    marks = []
    for trait, least, name, words, remedy in _QUARTERS:
        values = traits[:, SHAPED.index(trait)]
        marks.append(Mark(name, words, remedy, lowest(values if least else -values)[pictures]))
    return tuple(marks)


def _box_marks(truth: Sequence[TrueBoxes], pictures: NDArray[np.intp], places: Sequence[int]) -> Iterator[Mark]:
    """Says of boxes whether they are small, overlapped, or cut off by the border."""
    if not len(pictures):
        return
    boxes = np.array([truth[picture].boxes[place] for picture, place in zip(pictures, places, strict=True)])
    area = boxes[:, 2] * boxes[:, 3]
    small = lowest(area)
    words = f"no larger than {100 * area[small].max(initial=0.0):.2g} % of the picture"
    yield Mark("small box", words, "add pictures with small ones, or crop", small)
    covered = {number: _covered(true) for number, true in enumerate(truth)}
    overlapped = [covered[picture][place] for picture, place in zip(pictures.tolist(), places, strict=True)]
    yield Mark("overlapped", "overlapped by another box", "add pictures in which they overlap", np.array(overlapped))
    cut = (boxes[:, :2] <= _BORDER).any(axis=1) | (boxes[:, :2] + boxes[:, 2:] >= 1 - _BORDER).any(axis=1)
    yield Mark("cut off", "at the border of the picture", "add some that are cut off", cut)


def lowest(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Returns which of the values (n,) are in the lowest quarter: with all that equal its last, unless many do."""
    place = int(QUARTER * (len(values) - 1))
    bound = np.partition(values, place)[place]
    low: NDArray[np.bool_] = values <= bound
    return low if 2 * np.count_nonzero(low) <= len(low) else values < bound


def _covered(true: TrueBoxes) -> NDArray[np.bool_]:
    """Returns whether enough of each box (m, 4) of a picture is covered by another one: (m,)."""
    boxes = true.boxes.reshape(-1, 4)
    shares = overlaps(boxes, boxes, np.ones(len(boxes), dtype=np.bool_))  # of crowds: intersection over the first
    np.fill_diagonal(shares, 0.0)
    covered: NDArray[np.bool_] = shares.max(axis=1, initial=0.0) >= _TOUCHING
    return covered
