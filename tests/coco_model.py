"""What the live COCO file must say: a naive model of a container's content.

The model is written from the words of design §2 and reads every format by other means than `shared` does: it keeps no
state, so nothing it says can depend on the order in which blobs came.
"""

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from xml.etree import ElementTree

import yaml
from PIL import Image

DATASET = "parts"
LIVE = f"{DATASET}/coco/live.json"

type Region = tuple[str, tuple[float, ...] | None]


@dataclass(frozen=True)
class Stored:
    """A blob of the container."""

    etag: str
    data: bytes
    metadata: str | None = None  # its label


@dataclass
class Expected:
    """What the file is to say, but for ids.

    Attributes:
        pictures: Path → ETag, size, who labelled it, and its regions, sorted.
        problems: Path → ETag.
        claims: (path, imported file) → ETag, and whether there is a picture.
        lists: Path of a class list → its names.
    """

    pictures: dict[str, tuple[str, tuple[int, int], str, list[Region]]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    claims: dict[tuple[str, str], tuple[str, bool]] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Saying:
    """What a label file says of a picture: regions in shares (`size` None) or in pixels of a picture of that size."""

    regions: tuple[Region, ...]
    size: tuple[int, int] | None = None
    numbered: bool = False


def expected(blobs: Mapping[str, Stored]) -> Expected:
    """Work out the file from all that lies in the container, at once."""
    found = Expected()
    sizes: dict[str, tuple[int, int]] = {}
    side_cars: dict[str, _Saying | None] = {}  # None: it was meant for a picture, and nothing in it can be used
    imported: dict[tuple[str, str], _Saying] = {}
    for path, blob in sorted(blobs.items()):
        name = path.rpartition("/")[2]
        if name in ("classes.txt", "data.yaml"):
            names = _names(name, blob.data)
            if names:
                found.lists[path] = names
            elif "/images/" in path:
                found.problems[path] = blob.etag
        elif path.startswith(f"{DATASET}/images/") and name.endswith((".xml", ".txt")):
            saying = _voc(blob.data) if name.endswith(".xml") else _yolo(blob.data)
            if saying is None:
                found.problems[path] = blob.etag
            if saying is not None or name.endswith(".xml") or blob.data[:1].isdigit():
                side_cars[path] = saying
        elif path.startswith(f"{DATASET}/images/"):
            size = _size(blob.data)
            if size is None:
                found.problems[path] = blob.etag
            else:
                sizes[path] = size
    for path, blob in sorted(blobs.items()):
        if path.startswith(f"{DATASET}/annotations/") and path.endswith(".json"):
            for picture, saying in _coco(blob.data, sizes).items():
                imported[picture, path] = saying
    stems = {_stem(path) for path in sizes}
    found.claims = {(path, ""): (blobs[path].etag, _stem(path) in stems) for path in side_cars}
    found.claims |= {(path, source): (blobs[source].etag, path in sizes) for path, source in imported}
    for path, size in sizes.items():
        said: list[tuple[str, _Saying | None]] = [
            ("side-car", side_cars[p]) for p in sorted(side_cars, reverse=True) if _stem(p) == _stem(path)
        ]
        if (label := blobs[path].metadata) is not None:
            said.append(("metadata", _Saying(((label, None),))))
        said += [("import", imported[key]) for key in sorted(imported) if key[0] == path]
        if path.count("/") > 2:
            said.append(("folder", _Saying(((path.split("/")[2], None),))))
        by, regions = "", list[Region]()
        must_have_boxes = False
        for source, saying in said:
            usable = saying and _usable(saying, path, size, found.lists)
            if usable is None:
                must_have_boxes = True
            elif not must_have_boxes or any(box for _, box in usable):
                by, regions = source, usable
                break
        found.pictures[path] = (blobs[path].etag, size, by, regions)
    return found


def _usable(saying: _Saying, path: str, size: tuple[int, int], lists: Mapping[str, list[str]]) -> list[Region] | None:
    """Return a picture's regions as shares; None when there are some and none of them can be used."""
    regions: set[Region] = set()
    for label, box in saying.regions:
        if saying.numbered:
            names = _names_for(path, lists)
            if int(label) >= len(names):
                continue
            label = names[int(label)]
        if saying.size is not None and box is not None:
            if saying.size[0] * size[1] != saying.size[1] * size[0]:
                continue  # another shape
            per = (*saying.size, *saying.size)
            box = tuple(value / of for value, of in zip(box, per, strict=True))
        if box is not None and (box[0] + box[2] > 1.01 or box[1] + box[3] > 1.01):
            continue
        regions.add((label, box))
    if saying.regions and not regions:
        return None
    return sorted((r for r in regions if r[1] is not None or not any(box for _, box in regions)), key=_key)


def _key(region: Region) -> tuple[str, tuple[float, ...]]:
    return region[0], region[1] or ()


def _names_for(path: str, lists: Mapping[str, list[str]]) -> list[str]:
    """Take the list in the nearest folder; one in ``annotations/`` lies, as it were, in ``images/``."""
    scopes = {
        (f"{DATASET}/images/" if "/annotations/" in at else at.rpartition("/")[0] + "/", at): names
        for at, names in lists.items()
    }
    near = [(len(scope), at) for scope, at in scopes if path.startswith(scope)]
    return lists[max(near)[1]] if near else []


def _stem(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/{name.rsplit('.', 1)[0]}"


@cache
def _size(data: bytes) -> tuple[int, int] | None:
    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            return picture.size
    except OSError:
        return None


@cache
def _voc(data: bytes) -> _Saying | None:
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError:
        return None

    def number(element: ElementTree.Element, name: str) -> float:
        return float(element.findtext(f".//{name}") or 0)

    regions = []
    for item in root.iter("object"):
        left, top, right, bottom = (number(item, name) for name in ("xmin", "ymin", "xmax", "ymax"))
        regions.append((item.findtext("name") or "", (left, top, right - left, bottom - top)))
    return _Saying(tuple(regions), (int(number(root, "width")), int(number(root, "height"))))


@cache
def _yolo(data: bytes) -> _Saying | None:
    regions: list[Region] = []
    for line in data.decode().splitlines():
        try:
            number, x, y, width, height = line.split()
            w, h = float(width), float(height)
            regions.append((str(int(number)), (float(x) - w / 2, float(y) - h / 2, w, h)))
        except ValueError:
            return None  # the tests' files are wholly well or wholly broken
    return _Saying(tuple(regions), numbered=True)


def _names(name: str, data: bytes) -> list[str]:
    return list(yaml.safe_load(data)["names"]) if name.endswith(".yaml") else data.decode().split("\n")[:-1]


def _coco(data: bytes, pictures: Iterable[str]) -> dict[str, _Saying]:
    """Return what a COCO file says of which path; its names are whole paths, or the ends of them."""
    try:
        document = json.loads(data)
    except ValueError:
        return {}
    labels = {category["id"]: category["name"] for category in document["categories"]}
    annotated = {annotation["image_id"] for annotation in document["annotations"]}
    boxed = any("bbox" in annotation for annotation in document["annotations"])
    images = [image for image in document["images"] if boxed or image["id"] in annotated]
    names = [image["file_name"] for image in images]
    exact = [name if name.startswith(f"{DATASET}/images/") else f"{DATASET}/images/{name}" for name in names]
    meant = {path: exact.index(path) for path in pictures if path in exact}
    rest = [number for number, path in enumerate(exact) if path not in meant and exact.index(path) == number]
    offers: dict[int, list[tuple[int, str]]] = {number: [] for number in rest}
    for path in (path for path in pictures if path not in meant):
        fits = {n: _common(names[n], path) for n in rest if names[n] != exact[n]}
        for number, shared in fits.items():
            if shared == max(fits.values()) > 0:
                offers[number].append((shared, path))
    for number, offered in offers.items():
        best = [path for shared, path in offered if shared == max(offered)[0]]
        if len(best) == 1:
            meant.setdefault(best[0], number)
    for number in rest:
        if not offers[number]:
            meant.setdefault(exact[number], number)
    return {
        path: _Saying(
            tuple(
                (labels[a["category_id"]], tuple(a["bbox"]) if "bbox" in a else None)
                for a in document["annotations"]
                if a["image_id"] == images[number]["id"]
            )
        )
        for path, number in meant.items()
    }


def _common(name: str, path: str) -> int:
    """Count the equal parts at the end, if one of the two is the other's end below ``images/``."""
    pairs = zip(reversed(name.split("/")), reversed(path.split("/")), strict=False)
    shared = next((n for n, (one, other) in enumerate(pairs) if one != other), name.count("/") + 1)
    return shared if shared >= min(name.count("/") + 1, path.count("/") - 1) else 0


def said_by(document: Mapping[str, Any]) -> Expected:
    """Return what a live file says, in the terms of the model."""
    names = {category["id"]: category["name"] for category in document["categories"]}
    regions: dict[int, list[Region]] = {image["id"]: [] for image in document["images"]}
    for annotation in document["annotations"]:
        box = annotation.get("bbox")
        regions[annotation["image_id"]].append((names[annotation["category_id"]], tuple(box) if box else None))
    return Expected(
        pictures={
            image["file_name"]: (
                image["etag"],
                (image["width"], image["height"]),
                image.get("labelled_by", ""),
                sorted(regions[image["id"]], key=_key),
            )
            for image in document["images"]
        },
        problems={problem["path"]: problem["etag"] for problem in document["problems"]},
        claims={
            (claim["path"], claim.get("source", "")): (claim["etag"], not claim.get("note"))
            for claim in document["claims"]
        },
        lists={entry["path"]: list(entry["names"]) for entry in document["info"].get("class_lists", ())},
    )
