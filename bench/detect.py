"""How much a detector learns from 5, 10 or 30 pictures in all, against sliding windows of oriented gradients.

Average precision is the mean over labels at an overlap of 0.5, in percent, as pycocotools has it. Intervals are 95 %:
over the drawings of training pictures (Student's t), and over the pictures that were scored (bootstrap). Pictures are
drawn from the train part of a data set so that every label has its share, and scored on its whole test part; without a
split, on all that were not drawn (`all` then draws four fifths). A label that fewer than two of the drawn pictures show
is not learnt and scores 0, though HOG + SVM learns it from one. Times are of the processor, on one core;
`train_seconds` counts decoding and maps.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.learning.backbones import add_options, open_backbone
from bench.learning.cells import Cell, Shelf, code_digest, plain
from bench.learning.datasets import DataSet, DataSetError, read_sets
from bench.learning.images import ALL, HOG_SVM, Learner, frozen_maps, measure_images, sliding_windows
from bench.learning.intervals import mean_of
from bench.learning.onecore import on_one_core
from bench.learning.printing import figure, mean_costs, say_cell
from bench.report import Figure, print_figures, revision
from engine.learn.backbone import BUILTIN
from engine.learn.errors import BackboneError

ROOT: Final = Path(__file__).resolve().parents[1]
CODE: Final = ("engine/learn/detector/*.py", "engine/learn/detection_metrics.py", "bench/learning/images.py")
HOG_CODE: Final = ("bench/learning/hog.py", "bench/learning/windows.py", "bench/learning/images.py")
PACKAGES: Final = ("numpy", "onnxruntime", "pillow", "scikit-learn")
BOUNDS: Final = {("mobilenet_v2", "cards6", "30img"): 52.0}


def main(arguments: list[str]) -> int:
    """Run the suite; return its exit code."""
    return on_one_core("detect", arguments, run)


def run(arguments: Sequence[str]) -> int:
    """Run the suite in this process; return its exit code."""
    parser = argparse.ArgumentParser(prog="./darkroom bench detect", description=__doc__)
    add_options(parser, "detect", ROOT)
    parser.add_argument("--images", default="5,10,30", help=f"training pictures in all, or {ALL} (default 5,10,30)")
    options = parser.parse_args(arguments)
    sizes = options.images.split(",")
    if not all(size == ALL or (size.isdigit() and int(size) > 1) for size in sizes):
        parser.error(f"--images {options.images}: give numbers above 1, or {ALL}, with commas between")
    shelf = Shelf(options.results, revision(), options.write, options.again)
    try:
        sets = read_sets(options.datasets, options.only.split(",") if options.only else (), boxed=True)
        backbones = [open_backbone(asked, options.datasets) for asked in options.backbone or [BUILTIN]]
    except (DataSetError, BackboneError) as error:
        parser.error(str(error))
    code, hog_code = code_digest(CODE), code_digest(HOG_CODE)
    by_backbone = {
        backbone.name: measured(
            sets,
            sizes,
            (backbone.name, backbone.digest, code),
            frozen_maps(backbone, options.cache / "maps"),
            shelf,
            options.seeds,
        )
        for backbone in backbones
    }
    reference = measured(sets, sizes, (HOG_SVM, "", hog_code), sliding_windows, shelf, options.seeds)
    return print_figures("detect", figures(by_backbone, reference), as_json=options.json)


def measured(
    sets: Sequence[DataSet],
    sizes: Sequence[str],
    of: tuple[str, str, str],
    learner: Learner,
    shelf: Shelf,
    seeds: int,
) -> list[Cell]:
    """Measures the cells of one learner, or what is not kept of them, and returns all.

    Args:
        sets: The data sets.
        sizes: Numbers of training pictures, or ``all``.
        of: Name, digest of the backbone, digest of the code.
        learner: What is measured.
        shelf: Where cells are kept.
        seeds: Number of drawings.
    """
    cells = []
    for data in sets:
        for size in sizes:
            measure = partial(measure_images, data, size, name=of[0], learner=learner)
            cell, kept = shelf.filled(_config(data, size, of), seeds, PACKAGES, measure)
            say_cell(f"{of[0]} {data.name} {size}img", cell, kept=kept)
            cells += [] if cell is None else [cell]
    return cells


def figures(by_backbone: dict[str, list[Cell]], reference: list[Cell]) -> list[Figure]:
    """Returns what is printed; names begin with the backbone's when there are several."""
    shown = _scores("", "", reference, f"{HOG_SVM}_map50")
    theirs = {(cell.data, cell.size): cell.scores["map50"].mean for cell in reference}
    for name, cells in by_backbone.items():
        prefix = f"{plain(name)}_" if len(by_backbone) > 1 else ""
        shown += _scores(prefix, name, cells, "map50")
        for data in dict.fromkeys(cell.data for cell in cells):
            over = [c.scores["map50"].mean - theirs[c.data, c.size] for c in cells if c.data == data]
            least = round(min(over), 1)
            shown.append(Figure(f"{prefix}{data}_over_{HOG_SVM}", least, "points, the least", "> 0", least > 0))
        shown += mean_costs(prefix, cells, {"train_seconds": "s", "predict_ms": "ms"}) if cells else []
    return shown


def _scores(prefix: str, name: str, cells: Sequence[Cell], score: str) -> list[Figure]:
    """Returns the precision of each cell, and of each size its mean over data sets."""
    shown = []
    for cell in cells:
        estimate, least = cell.scores["map50"], BOUNDS.get((name, cell.data, cell.size))
        bound, ok = ("", True) if least is None else (f">= {least}", estimate.mean >= least)
        shown.append(figure(f"{prefix}{cell.data}_{cell.size}_{score}", estimate, "%", bound, ok=ok))
    for size in dict.fromkeys(cell.size for cell in cells):
        of_size = [cell.scores["map50"] for cell in cells if cell.size == size]
        shown.append(figure(f"{prefix}mean_{size}_{score}", mean_of(of_size), f"% of {len(of_size)} sets"))
    return shown


def _config(data: DataSet, size: str, of: tuple[str, str, str]) -> dict[str, Any]:
    name, digest, code = of
    return {
        "data": data.name,
        "data_digest": data.digest,
        "size": f"{size}img",
        "backbone": name,
        "backbone_digest": digest,
        "code": code,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
