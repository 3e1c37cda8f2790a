"""What is said of a picture, of all that a detector finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.learn.detector import Detections
from engine.objects import LEAST_CONFIDENCE, MOST_OBJECTS, FoundObject, objects_of, pixel_boxes, told

sides = st.floats(0, 1, allow_nan=False)


def detections(count: int, confidences: list[float] | None = None) -> Detections:
    corners = np.tile([0.25, 0.5, 0.5, 1.0], (count, 1))
    said = np.linspace(0.9, 0.5, count) if confidences is None else np.array(confidences)
    return Detections(corners, np.arange(count) % 2, said)


def test_what_is_too_unsure_is_not_said() -> None:
    said = told(detections(3, [0.8, LEAST_CONFIDENCE, 0.0099]), ("bolt", "nut"))
    assert said.labels == ("bolt", "nut")
    assert said.confidences.tolist() == [0.8, LEAST_CONFIDENCE]
    assert said.boxes.tolist() == [[0.25, 0.5, 0.25, 0.5]] * 2
    assert told(detections(1, [0.001]), ("bolt",)).boxes.shape == (0, 4)


def test_of_a_crowd_the_most_confident_thousand_are_said() -> None:
    said = told(detections(MOST_OBJECTS + 5), ("bolt", "nut"))
    assert len(said.labels) == len(said.boxes) == MOST_OBJECTS
    assert said.confidences[0] == 0.9


def test_objects_are_in_pixels_of_the_picture() -> None:
    said = told(detections(1), ("bolt",))
    assert objects_of(said, 200, 50) == (FoundObject("bolt", 0.9, (50, 25, 50, 25)),)


@pytest.mark.parametrize(
    ("box", "pixels"),
    [
        ((0.0, 0.0, 1.0, 1.0), (0, 0, 100, 60)),
        ((0.996, 0.996, 0.004, 0.004), (99, 59, 1, 1)),  # never beyond the picture, never empty
        ((0.104, 0.5, 0.101, 0.25), (10, 30, 10, 15)),  # edges are rounded, so that neighbours meet
        ((0.205, 0.5, 0.1, 0.25), (20, 30, 10, 15)),
        ((-0.1, 0.5, 2.0, 0.25), (0, 30, 100, 15)),
    ],
)
def test_a_box_is_rounded_to_pixels_within_the_picture(box: tuple[float, ...], pixels: tuple[int, ...]) -> None:
    assert pixel_boxes(np.array([box]), 100, 60) == [pixels]


@given(st.lists(st.tuples(sides, sides, sides, sides), max_size=4), st.integers(1, 300), st.integers(1, 300))
def test_every_box_in_pixels_lies_in_its_picture(boxes: list[tuple[float, ...]], width: int, height: int) -> None:
    for x, y, w, h in pixel_boxes(np.array(boxes).reshape(-1, 4), width, height):
        assert 0 <= x < x + w <= width
        assert 0 <= y < y + h <= height
