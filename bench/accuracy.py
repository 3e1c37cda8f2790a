"""How often a classifier is right on pictures it has not seen, by data set: a held-out fifth, and few-shot curves.

A data set is a folder DIR/NAME with coco.json and images/. Of a detection set each box, a little widened, is a picture.
The features and heads were chosen by figures such as these, so on the sets they were chosen on they flatter a little.
"""

import argparse
import hashlib
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from bench.learning.onecore import on_one_core
from bench.report import Figure, keep_result, print_figures, revision
from engine.learn.backbone import Backbone, load_backbone
from engine.learn.classifier import fit_classifier
from engine.learn.heads import HEADS, LdaHead
from engine.learn.metrics import measure
from shared.sides import side_of

RESULTS = Path(__file__).with_name("results") / "accuracy"
SHOTS = (2, 3, 5, 10)
MARGIN = 0.05  # of a box's side, added on each side
SMALLEST_TESTED = 50  # px; the boxes that are cut out may be smaller, and are tested all the same
SMALLEST_SIDE = 10  # px; smaller boxes are left out, as the product leaves out smaller pictures
BOUNDS = {("mobilenet_v2", "fruit3"): 0.95, ("mobilenet_v2", "euro_coins8"): 0.80}
SEED = 0


@dataclass(frozen=True, slots=True)
class EmbeddedSet:
    """The pictures of one data set as features.

    Attributes:
        name: Of the data set.
        labels: Sorted.
        features: (n, D).
        targets: (n,) numbers of labels.
        digests: n hex sha256, each of the file a picture comes from.
        milliseconds: Time to embed one picture, on average.
    """

    name: str
    labels: tuple[str, ...]
    features: NDArray[np.float32]
    targets: NDArray[np.intp]
    digests: tuple[str, ...]
    milliseconds: float


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How one held-out fifth was answered."""

    pictures: int
    right: int
    average_precision: float
    calibration_ece: float
    cross_validated_top1: float


def main(arguments: list[str]) -> int:
    """Runs the suite; returns its exit code."""
    return on_one_core("accuracy", arguments, run)


def run(arguments: Sequence[str]) -> int:
    """Runs the suite in this process; returns its exit code."""
    parser = argparse.ArgumentParser(prog="./darkroom bench accuracy", description=__doc__)
    parser.add_argument("--datasets", type=Path, required=True, help="folder of data sets")
    parser.add_argument("--names", nargs="*", help="only these data sets")
    parser.add_argument("--backbone", help="folder of a backbone, builtin (default) or handmade")
    parser.add_argument("--head", choices=sorted(HEADS), help="without it the backbone's own")
    parser.add_argument(
        "--salts", type=int, default=10, help="held-out fifths; the first is the product's (default 10)"
    )
    parser.add_argument("--trials", type=int, default=30, help="few-shot drawings of pictures (default 30)")
    parser.add_argument("--write", action="store_true", help="keep the figures in bench/results/accuracy")
    parser.add_argument("--json", action="store_true", help="print one JSON object, last")
    options = parser.parse_args(arguments)
    backbone = load_backbone(options.backbone)
    head = HEADS[options.head or backbone.default_head]
    at = revision()
    names = options.names or sorted(path.parent.name for path in options.datasets.glob("*/coco.json"))
    cells = {name: _measure_set(options.datasets / name, backbone, head, options) for name in names}
    if options.write:
        _write(backbone, head, options, at, cells)
    figures = [figure for name, cell in cells.items() for figure in _figures(name, cell, backbone)]
    return print_figures("accuracy", figures, as_json=options.json)


def embed_set(folder: Path, backbone: Backbone) -> EmbeddedSet:
    """Reads a data set and embeds its pictures, or the boxes on them."""
    content = json.loads((folder / "coco.json").read_bytes())
    files = {image["id"]: folder / "images" / image["file_name"] for image in content["images"]}
    categories = {category["id"]: str(category["name"]) for category in content["categories"]}
    rows, names, digests, seconds = [], [], [], 0.0
    for annotation in content["annotations"]:
        data = files[annotation["image_id"]].read_bytes()
        with Image.open(files[annotation["image_id"]]) as image:
            picture = _cut(np.asarray(ImageOps.exif_transpose(image).convert("RGB")), annotation.get("bbox"))
        if min(picture.shape[:2]) < SMALLEST_SIDE:
            continue
        started = time.perf_counter()
        rows.append(backbone.embed(picture))
        seconds += time.perf_counter() - started
        names.append(categories[annotation["category_id"]])
        digests.append(hashlib.sha256(data).hexdigest())
    labels = tuple(sorted(set(names)))
    targets = np.array([labels.index(name) for name in names], dtype=np.intp)
    return EmbeddedSet(folder.name, labels, np.stack(rows), targets, tuple(digests), 1000 * seconds / len(rows))


def held_out(embedded: EmbeddedSet, backbone: Backbone, head: LdaHead, salt: int) -> HeldOut | None:
    """Trains on four fifths and judges on the other; None when a label has too few pictures left to train on.

    The salt picks the fifth: 0 is the side the product gives each picture (design §2).
    """
    salted = [sha if salt == 0 else hashlib.sha256(f"{salt} {sha}".encode()).hexdigest() for sha in embedded.digests]
    test = np.array([side_of(digest, size=(SMALLEST_TESTED, SMALLEST_TESTED)) == "test" for digest in salted])
    counts = np.bincount(embedded.targets[~test], minlength=len(embedded.labels))
    if counts.min() < 2 or not test.any():
        return None
    train, targets = embedded.features[~test], embedded.targets[~test]
    fitted = fit_classifier(train, targets, embedded.labels, backbone=backbone, head=head)
    probabilities = fitted.classifier.predict(embedded.features[test])
    performance = measure(probabilities, embedded.labels, [embedded.labels[t] for t in embedded.targets[test]])
    seen = int(test.sum())
    return HeldOut(
        pictures=seen,
        right=round(performance.accuracy_top1 * seen),
        average_precision=performance.average_precision,
        calibration_ece=performance.calibration_ece,
        cross_validated_top1=fitted.cross_validated().accuracy_top1,
    )


def few_shot(embedded: EmbeddedSet, head: LdaHead, shots: int, trials: int) -> list[float]:
    """Returns the accuracy of each trial: so many pictures of each label are drawn to train on, the others asked.

    A trial that left some label without a picture to ask is not made, so the list may be empty.
    """
    if np.bincount(embedded.targets).min() <= shots:
        return []
    rng = np.random.default_rng((SEED, shots))
    accuracies = []
    for _ in range(trials):
        support = np.concatenate(
            [
                rng.choice(np.flatnonzero(embedded.targets == number), shots, replace=False)
                for number in range(len(embedded.labels))
            ]
        )
        rule = head.fit(embedded.features[support], embedded.targets[support], len(embedded.labels))
        query = np.delete(np.arange(len(embedded.targets)), support)
        answers = np.argmax(rule.scores(embedded.features[query]), axis=1)
        accuracies.append(float(np.mean(answers == embedded.targets[query])))
    return accuracies


def wilson(right: int, count: int) -> tuple[float, float]:
    """Returns the 95 % interval of a share (Wilson, 1927)."""
    z = 1.959964
    middle = (right + z * z / 2) / (count + z * z)
    half = z * math.sqrt(right * (count - right) / count + z * z / 4) / (count + z * z)
    return max(0.0, middle - half), min(1.0, middle + half)


def _cut(picture: NDArray[np.uint8], box: Sequence[float] | None) -> NDArray[np.uint8]:
    """Cuts a box [left, top, width, height] in px, widened by the margin, out of a picture (H, W, 3)."""
    if box is None:
        return picture
    left, top, width, height = box
    across, down = MARGIN * width, MARGIN * height
    rows = slice(max(0, int(top - down)), int(top + height + down))
    return picture[rows, max(0, int(left - across)) : int(left + width + across)]


def _measure_set(folder: Path, backbone: Backbone, head: LdaHead, options: argparse.Namespace) -> dict[str, object]:
    embedded = embed_set(folder, backbone)
    splits = [held_out(embedded, backbone, head, salt) for salt in range(options.salts)]
    done = [split for split in splits if split is not None]
    shares = [split.right / split.pictures for split in done]
    curves = {shots: few_shot(embedded, head, shots, options.trials) for shots in SHOTS}
    cell: dict[str, object] = {
        "pictures": len(embedded.targets),
        "labels": len(embedded.labels),
        "ms_per_picture": round(embedded.milliseconds, 1),
        "held_out": None if splits[0] is None else asdict(splits[0]),
        "salts": len(done),
        "top1_mean": _rounded(np.mean(shares)),
        "top1_min": _rounded(min(shares)),
        "top1_max": _rounded(max(shares)),
        "ece_mean": _rounded(np.mean([split.calibration_ece for split in done])),
        "cross_validated_top1_mean": _rounded(np.mean([split.cross_validated_top1 for split in done])),
        "few_shot": {
            str(shots): {
                "mean": _rounded(np.mean(values)),
                "half_interval_95": _rounded(1.96 * np.std(values, ddof=1) / math.sqrt(len(values))),
                "trials": len(values),
            }
            for shots, values in curves.items()
            if len(values) > 1
        },
    }
    sys.stderr.write(f"{folder.name}: {json.dumps(cell)}\n")
    return cell


def _rounded(value: float | np.floating) -> float:
    return round(float(value), 4)


def _figures(name: str, cell: dict[str, object], backbone: Backbone) -> list[Figure]:
    figures = []
    bound = BOUNDS.get((backbone.name, name))
    own, curve = cell["held_out"], cell["few_shot"]
    if isinstance(own, dict):
        share = own["right"] / own["pictures"]
        low, high = wilson(own["right"], own["pictures"])
        unit = f"of {own['pictures']}, 95 % in {low:.3f}-{high:.3f}"
        ok = bound is None or share >= bound
        figures.append(Figure(f"{name}_top1", _rounded(share), unit, "" if bound is None else f">= {bound}", ok))
    spread = f"mean of {cell['salts']} fifths, {cell['top1_min']}-{cell['top1_max']}"
    figures.append(Figure(f"{name}_top1_mean", float(str(cell["top1_mean"])), spread))
    if isinstance(curve, dict):
        for shots, point in curve.items():
            unit = f"± {point['half_interval_95']}, {point['trials']} trials"
            figures.append(Figure(f"{name}_{shots}_shot", point["mean"], unit))
    return figures


def _write(
    backbone: Backbone, head: LdaHead, options: argparse.Namespace, at: str, cells: dict[str, dict[str, object]]
) -> None:
    keep_result(
        RESULTS / f"{backbone.name}.{head.name}.json",
        cells,
        at=at,
        seed=SEED,
        config={
            "backbone": backbone.name,
            "backbone_digest": backbone.digest,
            "width": backbone.width,
            "head": head.name,
            "salts": options.salts,
            "trials": options.trials,
        },
        packages=("numpy", "onnxruntime", "pillow"),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
