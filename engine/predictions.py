"""What a model said of each picture of a data set, on disk so that a page is read without the rest.

confidences.npy         (n, k) float64, as the model answers them; none for detection
pictures.jsonl .npy     a line a picture: {"image", "truth", "url"}; where each line begins. For detection also
                        "predicted": boxes come with the line, those that are true and those that were found
predictions.json        schema, labels, whether a picture's truth is one label or any number, or boxes
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.boxedset import BoxedSet
from engine.features import EmbeddedSet
from engine.learn.detection_metrics import FoundBoxes
from engine.lines import count_lines, read_lines, write_lines
from engine.objects import MOST_OBJECTS, box_json, objects_of, pixel_boxes

SCHEMA = 1
TAGS_AT_ONCE = 200_000  # a page has fewer pictures than asked for rather than more tags than this


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The content of predictions.json."""

    schema: int = SCHEMA
    labels: tuple[str, ...]
    multilabel: bool
    boxes: bool = False


def write_predictions(
    folder: Path, labels: Sequence[str], confidences: NDArray[np.float64], pictures: EmbeddedSet, *, multilabel: bool
) -> None:
    """Writes confidences (n, k) in n pictures into a folder that exists."""
    np.save(folder / "confidences.npy", np.asarray(confidences, dtype=np.float64), allow_pickle=False)
    write_lines(folder / "pictures.jsonl", _lines(pictures, multilabel))
    _write_header(folder, Header(labels=tuple(labels), multilabel=multilabel))


def write_box_predictions(folder: Path, labels: Sequence[str], found: Sequence[FoundBoxes], pictures: BoxedSet) -> None:
    """Writes what was found in n pictures into a folder that exists."""
    write_lines(folder / "pictures.jsonl", _box_lines(found, pictures))
    _write_header(folder, Header(labels=tuple(labels), multilabel=False, boxes=True))


def read_predictions(folder: Path, skip: int, top: int) -> tuple[list[dict[str, Any]], bool]:
    """Returns up to `top` pictures after the first `skip`, and whether more follow; reads only these.

    Each is {"image", "url", "truth", "predicted": [{"name", "confidence"}, …]}, most confident label first, of equals
    the one whose name sorts first. For detection truth is a list of {"name", "boundingBox"}, and what was predicted has
    a "boundingBox" each, in pixels; labels may come again, or not at all.

    Raises:
        OSError: The folder or a file of it is missing.
        ValueError: The files are torn, or do not fit each other.
    """
    header = msgspec.json.decode((folder / "predictions.json").read_bytes(), type=Header)
    if header.boxes:
        return _read_boxes(folder, skip, min(top, TAGS_AT_ONCE // MOST_OBJECTS))
    confidences = np.load(folder / "confidences.npy", mmap_mode="r", allow_pickle=False)
    last = min(skip + min(top, max(TAGS_AT_ONCE // len(header.labels), 1)), len(confidences))
    if skip >= last:
        return [], False
    lines = read_lines(folder / "pictures.jsonl", skip, last - skip)
    values = [
        msgspec.json.decode(line) | {"predicted": _ranked(header.labels, row)}
        for line, row in zip(lines, np.asarray(confidences[skip:last]).tolist(), strict=True)
    ]
    return values, last < len(confidences)


def _read_boxes(folder: Path, skip: int, top: int) -> tuple[list[dict[str, Any]], bool]:
    lines = read_lines(folder / "pictures.jsonl", skip, top)
    more = skip + len(lines) < count_lines(folder / "pictures.jsonl")
    return [msgspec.json.decode(line) for line in lines], more


def _write_header(folder: Path, header: Header) -> None:
    (folder / "predictions.json").write_bytes(msgspec.json.encode(header, order="sorted") + b"\n")


def _ranked(labels: Sequence[str], row: list[float]) -> list[dict[str, Any]]:
    tags = sorted(zip(labels, row, strict=True), key=lambda tag: (-tag[1], tag[0]))
    return [{"name": name, "confidence": confidence} for name, confidence in tags]


def _lines(pictures: EmbeddedSet, multilabel: bool) -> Iterator[bytes]:
    encoder = msgspec.json.Encoder(order="sorted")
    for name, url, truth in zip(pictures.names, pictures.urls, pictures.labels, strict=True):
        yield encoder.encode({"image": name, "url": url, "truth": truth if multilabel else truth[0]})


def _box_lines(found: Sequence[FoundBoxes], pictures: BoxedSet) -> Iterator[bytes]:
    encoder = msgspec.json.Encoder(order="sorted")
    for number, said in enumerate(found):
        width, height = pictures.sizes[number].tolist()
        true = pictures.truth[number]
        truth = zip(true.labels, pixel_boxes(true.boxes, width, height), strict=True)
        yield encoder.encode(
            {
                "image": pictures.names[number],
                "url": pictures.urls[number],
                "truth": [{"name": name, "boundingBox": box_json(box)} for name, box in truth],
                "predicted": [
                    {"name": one.label, "confidence": one.confidence, "boundingBox": box_json(one.box)}
                    for one in objects_of(said, width, height)
                ],
            }
        )
