"""The file of a classifier: facts and arrays in one .npz without pickle.

schema 1    labels of which one is true
schema 2    or any number, each by itself: slopes and offsets in place of a temperature
schema 3    rules without a centre; means and distances that tell pictures like none of the labels
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.learn.arrayfile import UNREADABLE, read_array_file, write_array_file
from engine.learn.errors import ClassifierFileError
from engine.learn.heads import HEADS
from engine.learn.onevsrest import ONE_VS_REST

SCHEMA = 3
READABLE = (1, 2, SCHEMA)
MIN_LABELS = 2
KNOWN_HEADS = (*HEADS, ONE_VS_REST, "ridge")  # the last made files of schema 2 and older

Arrays = Mapping[str, NDArray[Any]]
Facts = Mapping[str, Any]


def write_classifier_file(path: Path, facts: Facts, arrays: Arrays) -> None:
    """Writes a file; equal content makes equal bytes. A reader sees the old file or the new one, never a part."""
    write_array_file(path, {"schema": SCHEMA, **facts}, arrays)


def read_classifier_file(path: Path) -> tuple[Facts, Arrays]:
    """Returns facts and arrays that fit each other.

    Raises:
        ClassifierFileError: The file is missing, torn, of another schema, or inconsistent.
    """
    try:
        facts, arrays = read_array_file(path)
    except UNREADABLE as error:
        raise ClassifierFileError(f"classifier {path} cannot be read ({error}); train it again") from error
    if facts.get("schema") not in READABLE:
        raise ClassifierFileError(f"classifier {path} is not of schema {SCHEMA}; train it again")
    fault = _fault_of_facts(facts, arrays) or _fault_of_arrays(len(facts["labels"]), arrays)
    if fault is not None:
        raise ClassifierFileError(f"classifier {path} is inconsistent: {fault}; train it again")
    return facts, arrays


def _fault_of_facts(facts: Facts, arrays: Arrays) -> str | None:
    """Names the first fact that cannot be."""
    labels = facts.get("labels")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        return "its labels are not a list of names"
    if len(labels) < MIN_LABELS or len(set(labels)) != len(labels):
        return "its labels are fewer than two or not distinct"
    if not isinstance(facts.get("backboneDigest"), str) or facts.get("head") not in KNOWN_HEADS:
        return "its backbone or head is unknown"
    if facts.get("calibration", "softmax") != ("platt" if "slopes" in arrays else "softmax"):
        return "its calibration is unknown or lacks its arrays"
    if "slopes" not in arrays and not (_is_number(facts.get("temperature")) and facts["temperature"] > 0):
        return "its temperature is not a positive number"
    if "means" in arrays and not (
        _is_number(facts.get("usualDistance"))
        and _is_number(facts.get("distanceSpread"))
        and facts["distanceSpread"] > 0
    ):
        return "its distances are not numbers"
    return None


def _fault_of_arrays(labels: int, arrays: Arrays) -> str | None:
    """Names the first thing that is wrong with an array."""
    weights = arrays.get("weights")
    if weights is None or weights.ndim != 2:
        return "its arrays do not fit its labels"
    width = len(weights)
    shapes: dict[str, tuple[int, ...]] = {"weights": (width, labels), "bias": (labels,), "centre": (width,)}
    shapes |= {"slopes": (labels,), "offsets": (labels,), "means": (labels, width)}
    needed = {"weights", "bias"} | ({"slopes", "offsets"} & arrays.keys() and {"slopes", "offsets"})
    if not needed <= arrays.keys() <= shapes.keys() or any(
        array.shape != shapes[name] for name, array in arrays.items()
    ):
        return "its arrays do not fit its labels"
    kinds = {name: np.float32 if name == "means" else np.float64 for name in arrays}
    if not all(array.dtype == kinds[name] and bool(np.isfinite(array).all()) for name, array in arrays.items()):
        return "its arrays are not finite numbers"
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)
