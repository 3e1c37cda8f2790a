"""Writes the README's accuracy table from the kept results; a test fails when the table is older than they are."""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = ROOT / "bench" / "results" / "accuracy"
README: Final = ROOT / "README.md"
SHOWN: Final = {"handmade-1.lda": "built-in", "mobilenet_v2.lda": "mobilenet_v2", "mobilenet_v1.lda": "mobilenet_v1"}
_PLACE: Final = re.compile(r"(<!-- accuracy -->\n).*?(<!-- /accuracy -->)", re.DOTALL)


def accuracy_table() -> str:
    """Return the table as Markdown: per data set, the mean held-out accuracy and its range, and the 5-shot accuracy."""
    cells = {case: json.loads((RESULTS / f"{case}.json").read_text())["figures"] for case in SHOWN}
    first = next(iter(cells.values()))
    lines = [
        f"| data set | labels | pictures | {' | '.join(SHOWN.values())} |",
        f"|---|---|---|{'---|' * len(SHOWN)}",
    ]
    for name in sorted(first):
        row = [name, str(first[name]["labels"]), str(first[name]["pictures"])]
        lines.append(f"| {' | '.join([*row, *(_cell(figures[name]) for figures in cells.values())])} |")
    return "\n".join(lines) + "\n"


def _cell(figures: dict[str, Any]) -> str:
    held_out = f"{figures['top1_mean']:.1%} ({figures['top1_min']:.0%} to {figures['top1_max']:.0%})"
    five = figures["few_shot"].get("5")
    return f"{held_out}, {five['mean']:.1%}" if five else held_out


def written(readme: str) -> str:
    """Return the README with the table as it should be."""
    return _PLACE.sub(lambda found: found[1] + accuracy_table() + found[2], readme)


def main(arguments: list[str]) -> int:
    """Write the table into the README; return the exit code."""
    argparse.ArgumentParser(prog="./darkroom bench readme", description=__doc__).parse_args(arguments)
    README.write_text(written(README.read_text()))
    sys.stdout.write(accuracy_table())
    return 0
