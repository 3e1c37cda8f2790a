"""How a detector is stored: one .npz without pickle."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.learn.arrayfile import UNREADABLE, read_array_file, write_array_file
from engine.learn.detector.calibration import Curves
from engine.learn.detector.descriptors import FORM, PARTS
from engine.learn.detector.reduction import Projection, Reduction
from engine.learn.detector.rule import MOVES, Rule
from engine.learn.errors import DetectorFileError

if TYPE_CHECKING:
    from engine.learn.detector.detector import Detector

SCHEMA = 1


def write_detector(detector: "Detector", path: Path) -> None:
    """Writes a detector; a reader sees the old file or the new one, never a part."""
    finder = detector.finder
    strides = sorted(finder.reduction.projections)
    facts = {
        "schema": SCHEMA,
        "labels": list(detector.labels),
        "backboneDigest": detector.backbone_digest,
        "strides": strides,
        "slope": detector.curves.slope,
    }
    arrays: dict[str, NDArray[np.generic]] = {"shapes": finder.shapes, "offsets": detector.curves.offsets}
    arrays |= {"weights": finder.rule.weights, "bias": finder.rule.bias}
    for stride in strides:
        projection = finder.reduction.projections[stride]
        arrays |= {f"mean{stride}": projection.mean, f"axes{stride}": projection.axes}
    write_array_file(path, facts, arrays)


@dataclass(frozen=True, slots=True)
class Stored:
    """What a file holds of a detector; see there for the attributes."""

    labels: tuple[str, ...]
    backbone_digest: str
    reduction: Reduction
    shapes: NDArray[np.float64]
    rule: Rule
    curves: Curves


def read_detector(path: Path) -> Stored:
    """Reads what `write_detector` wrote.

    Raises:
        DetectorFileError: The file is missing, torn, of another schema, or inconsistent.
    """
    try:
        facts, arrays = read_array_file(path)
    except UNREADABLE as error:
        raise DetectorFileError(f"detector {path} cannot be read ({error}); train it again") from error
    if facts.get("schema") != SCHEMA:
        raise DetectorFileError(f"detector {path} is not of schema {SCHEMA}; train it again")
    fault = _fault(facts, arrays)
    if fault is not None:
        raise DetectorFileError(f"detector {path} is inconsistent: {fault}; train it again")
    reduction = Reduction(
        {stride: Projection(arrays[f"mean{stride}"], arrays[f"axes{stride}"]) for stride in facts["strides"]}
    )
    rule = Rule(arrays["weights"], arrays["bias"])
    curves = Curves(facts["slope"], arrays["offsets"])
    return Stored(tuple(facts["labels"]), facts["backboneDigest"], reduction, arrays["shapes"], rule, curves)


def _fault(facts: dict[str, object], arrays: dict[str, NDArray[np.generic]]) -> str | None:
    """Names the first thing that does not fit in a stored detector."""
    labels, strides, slope = facts.get("labels"), facts.get("strides"), facts.get("slope")
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) for label in labels):
        return "its labels are not a list of names"
    if len(set(labels)) != len(labels):
        return "its labels are not distinct"
    if not isinstance(facts.get("backboneDigest"), str):
        return "its backbone is unknown"
    if not isinstance(strides, list) or not strides or not all(isinstance(stride, int) for stride in strides):
        return "its strides are not a list of numbers"
    if not isinstance(slope, float) or not 0 < slope < float("inf"):
        return "its slope is not a positive number"
    return _fault_of_arrays(arrays, strides, len(labels))


def _fault_of_arrays(arrays: dict[str, NDArray[np.generic]], strides: list[int], labels: int) -> str | None:
    names = {"shapes", "offsets", "weights", "bias"}
    names |= {f"{kind}{stride}" for stride in strides for kind in ("mean", "axes")}
    if set(arrays) != names:
        return "it lacks arrays, or has others"
    if not all(np.issubdtype(array.dtype, np.floating) and np.isfinite(array).all() for array in arrays.values()):
        return "its arrays are not finite numbers"
    if any(arrays[f"mean{stride}"].ndim != 1 or arrays[f"axes{stride}"].ndim != 2 for stride in strides):
        return "its projections are not matrices"
    cells = sum(arrays[f"axes{stride}"].shape[1] for stride in strides)
    width = PARTS * cells + FORM
    wanted = {"offsets": (labels,), "weights": (width, labels + 1 + MOVES), "bias": (labels + 1 + MOVES,)}
    wanted |= {"shapes": (len(arrays["shapes"]), 2)}
    wanted |= {f"axes{stride}": (arrays[f"mean{stride}"].size, arrays[f"axes{stride}"].shape[1]) for stride in strides}
    if any(arrays[name].shape != shape for name, shape in wanted.items()) or not arrays["shapes"].size:
        return "its arrays do not fit its labels and strides"
    if not bool(np.all(arrays["shapes"].astype(np.float64) > 0)):
        return "its shapes are not positive"
    return None
