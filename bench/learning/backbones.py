"""Finds the backbones that a suite is asked to measure."""

import argparse
from pathlib import Path

from engine.learn.backbone import Backbone, load_backbone, parts_of


def open_backbone(asked: str, datasets: Path) -> Backbone:
    """Opens a backbone on one thread.

    Args:
        asked: What `parts_of` takes; a part may be the name of a folder in ``backbones`` beside the data sets.
        datasets: Folder of data sets.

    Raises:
        BackboneError: There is none, or it is damaged.
    """
    beside = datasets.resolve().parent / "backbones"
    found = [str(beside / part) if (beside / part).is_dir() else part for part in parts_of(asked)]
    return load_backbone("+".join(found))


def add_options(parser: argparse.ArgumentParser, suite: str, home: Path) -> None:
    """Adds the options that suites of learning share."""
    parser.add_argument("--datasets", type=Path, required=True, help="folder of data sets")
    parser.add_argument("--only", help="only these data sets, by name, with commas between")
    parser.add_argument("--seeds", type=int, default=5, help="drawings of training pictures (default 5)")
    parser.add_argument(
        "--backbone",
        action="append",
        metavar="NAME|DIR",
        help="builtin (default), handmade, a folder, the name of one in `backbones` beside the data sets, or several"
        " joined with +; may be given again",
    )
    parser.add_argument("--cache", type=Path, default=home / ".bench-cache", help="keeps features from run to run")
    parser.add_argument("--results", type=Path, default=home / "bench" / "results" / suite, help="where cells are kept")
    parser.add_argument("--again", action="store_true", help="measure cells again that are kept")
    parser.add_argument("--write", action="store_true", help="keep each cell as a file when it is measured")
    parser.add_argument("--json", action="store_true", help="print one JSON object, last")


def numbers(text: str) -> list[int]:
    """Reads positive numbers with commas between, for argparse."""
    found = [int(part) for part in text.split(",")]
    if not found or min(found) < 1:
        raise ValueError(text)
    return found
