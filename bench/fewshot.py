"""How much a classifier learns from 2, 5 or 10 pictures a label, against what everybody would try first.

Accuracy is class-balanced top-1 in percent, ECE has 15 bins and lies in 0…1. Intervals are 95 %: over the drawings of
training pictures (Student's t), and over the pictures that were scored. Pictures are drawn from the train part of a
data set and scored on its whole test part; without a split, on all that were not drawn. A data set of boxes is read
when it is named: each box, a little widened, is a picture. Nearest mean (cosine) and logistic regression (scikit-learn,
C = 1) are given the same features: regression once with rows of length 1, which is usual, and once with standardised
columns, which is stronger on many features; the margin is over the better of the two. Times are of the processor, on
one core; `train_seconds` counts decoding and embedding.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Final

from bench.learning.backbones import add_options, numbers, open_backbone
from bench.learning.cells import Cell, Shelf, code_digest, plain
from bench.learning.datasets import DataSet, DataSetError, read_sets
from bench.learning.features import Features
from bench.learning.intervals import mean_of
from bench.learning.onecore import on_one_core
from bench.learning.printing import figure, mean_costs, say_cell
from bench.learning.shots import Embedded, embedded, measure_shots
from bench.report import Figure, print_figures, revision
from engine.learn.backbone import BUILTIN, HANDMADE
from engine.learn.errors import BackboneError

ROOT: Final = Path(__file__).resolve().parents[1]
HEADS: Final = [
    f"engine/learn/{name}.py"
    for name in (
        *("ahead", "calibrate", "chance", "cholesky", "classifier", "folds", "heads", "metrics", "rows", "support"),
        *("trials", "views"),
    )
]
CODE: Final = [*HEADS, "bench/learning/shots.py", "bench/learning/references.py", "bench/learning/features.py"]
PACKAGES: Final = ("numpy", "onnxruntime", "pillow", "scikit-learn")
BOUNDED: Final = "mobilenet_v2"  # the backbone whose margin is bounded
MARGIN: Final = 1.0  # points above logistic regression
ECE: Final = {"5shot": 0.10, "10shot": 0.08}
OVER_HANDMADE: Final = 3.0  # points of the built-in backbone at 5 shots


def main(arguments: list[str]) -> int:
    """Run the suite; return its exit code."""
    return on_one_core("fewshot", arguments, run)


def run(arguments: Sequence[str]) -> int:
    """Run the suite in this process; return its exit code."""
    parser = argparse.ArgumentParser(prog="./darkroom bench fewshot", description=__doc__)
    add_options(parser, "fewshot", ROOT)
    parser.add_argument("--shots", type=numbers, default=[2, 5, 10], help="pictures a label (default 2,5,10)")
    options = parser.parse_args(arguments)
    shelf, code = Shelf(options.results, revision(), options.write, options.again), code_digest(CODE)
    try:
        sets = read_sets(options.datasets, options.only.split(",") if options.only else (), boxed=False)
        backbones = [open_backbone(asked, options.datasets) for asked in options.backbone or [BUILTIN]]
    except (DataSetError, BackboneError) as error:
        parser.error(str(error))
    by_backbone = {
        backbone.name: measured(sets, Features(options.cache / "features", backbone), shelf, code, options)
        for backbone in backbones
    }
    names = dict(zip(options.backbone or [BUILTIN], by_backbone, strict=True))
    compared = (names[BUILTIN], names[HANDMADE]) if {BUILTIN, HANDMADE} <= set(names) else None
    return print_figures("fewshot", figures(by_backbone, compared), as_json=options.json)


def measured(
    sets: Sequence[DataSet], features: Features, shelf: Shelf, code: str, options: argparse.Namespace
) -> list[Cell]:
    """Measures the cells of one backbone, or what is not kept of them, and returns all.

    Args:
        sets: The data sets.
        features: Of the backbone.
        shelf: Where cells are kept.
        code: Digest of what is measured.
        options: Shots and seeds.
    """
    cells, backbone = [], features.backbone
    for data in sets:
        config = {
            "data": data.name,
            "data_digest": data.digest,
            "backbone": backbone.name,
            "backbone_digest": backbone.digest,
            "code": code,
        }
        known = cache(partial(embedded, data, features))  # only when something lacks
        for shots in options.shots:

            def measure(seeds: range, shots: int = shots, known: Callable[[], Embedded] = known) -> Cell | None:
                return measure_shots(known(), shots, seeds, features)

            cell, kept = shelf.filled(config | {"size": f"{shots}shot"}, options.seeds, PACKAGES, measure)
            say_cell(f"{backbone.name} {data.name} {shots}shot", cell, kept=kept)
            cells += [] if cell is None else [cell]
    return cells


def figures(by_backbone: dict[str, list[Cell]], compared: tuple[str, str] | None = None) -> list[Figure]:
    """Returns what is printed; names begin with the backbone's when there are several.

    Args:
        by_backbone: The cells of each.
        compared: Names of the built-in backbone and of the hand-made features, when both were asked for.
    """
    shown: list[Figure] = []
    for name, cells in by_backbone.items():
        prefix = f"{plain(name)}_" if len(by_backbone) > 1 else ""
        shown += [figure(f"{prefix}{cell.data}_{cell.size}_top1", cell.scores["top1"], "%") for cell in cells]
        for size in dict.fromkeys(cell.size for cell in cells):
            shown += _means(prefix, name, [cell for cell in cells if cell.size == size])
        shown += mean_costs(prefix, cells, {"train_seconds": "s", "predict_ms": "ms"}) if cells else []
    return shown if compared is None else shown + _over_handmade(*(by_backbone[name] for name in compared))


def _means(prefix: str, backbone: str, cells: Sequence[Cell]) -> list[Figure]:
    """Averages cells of one size over their data sets."""
    name, unit = f"{prefix}mean_{cells[0].size}", f"% of {len(cells)} sets"
    means = {score: mean_of([cell.scores[score] for cell in cells]) for score in cells[0].scores}
    shown = [figure(f"{name}_{score}", means[score], unit) for score in means if score != "ece"]
    margin = means["top1"].mean - max(mean.mean for score, mean in means.items() if score.startswith("logistic"))
    bound, ok = (f">= {MARGIN}", margin >= MARGIN) if backbone == BOUNDED else ("", True)
    shown.append(Figure(f"{name}_over_logistic", round(margin, 2), "points", bound, ok))
    ece, most = means["ece"].mean, ECE.get(cells[0].size)
    bound, ok = ("", True) if most is None else (f"<= {most}", ece <= most)
    return [*shown, Figure(f"{name}_ece", round(ece, 4), f"0…1, ± {means['ece'].draws95:.3f}", bound, ok)]


def _over_handmade(builtin: Sequence[Cell], handmade: Sequence[Cell]) -> list[Figure]:
    """Compares the built-in backbone with the hand-made features at 5 shots."""
    ours, theirs = (
        {c.data: c.scores["top1"].mean for c in cells if c.size == "5shot"} for cells in (builtin, handmade)
    )
    if not ours:
        return []
    points = sum(ours[data] - theirs[data] for data in ours) / len(ours)
    enough = points >= OVER_HANDMADE
    return [Figure("builtin_5shot_over_handmade", round(points, 2), "points", f">= {OVER_HANDMADE}", enough)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
