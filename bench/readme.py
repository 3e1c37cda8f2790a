"""Writes the README's tables from the kept results; a test fails when a table is older than they are."""

import argparse
import json
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = ROOT / "bench" / "results"
README: Final = ROOT / "README.md"
_LOGISTIC: Final = ("logistic_top1", "logistic_standardised_top1")
SHOWN: Final = {
    f"{backbone}.lda": backbone for backbone in ("darkroom-1", "handmade-1", "mobilenet_v2", "mobilenet_v1")
}


def accuracy_table() -> str:
    """Return the table as Markdown: per data set, the mean held-out accuracy and its range, and the 5-shot accuracy."""
    cells = {case: json.loads((RESULTS / "accuracy" / f"{case}.json").read_text())["figures"] for case in SHOWN}
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


def fewshot_table() -> str:
    """Return the table as Markdown: per backbone and shots the mean top-1, and that of logistic regression, in %."""
    cells = _cells("fewshot")
    sizes = sorted({cell["size"] for cell in cells}, key=_number)
    lines = [f"| backbone | {' | '.join(map(_spoken, sizes))} |", f"|---|{'---|' * len(sizes)}"]
    for name in sorted({cell["backbone"] for cell in cells}):
        row = []
        for size in sizes:
            ours = [cell for cell in cells if (cell["backbone"], cell["size"]) == (name, size)]
            top1 = _mean([cell["figures"]["top1"]["mean"] for cell in ours])
            best = max(_mean([c["figures"][score]["mean"] for c in ours]) for score in _LOGISTIC) if ours else 0.0
            row.append(f"{top1:.1f} ({best:.1f}), {len(ours)} sets" if ours else "")
        lines.append(f"| {name} | {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def detect_table() -> str:
    """Return the table as Markdown: per data set, pictures and backbone the mean average precision at 0.5 in %."""
    cells = {(cell["data"], cell["size"], cell["backbone"]): cell["figures"]["map50"] for cell in _cells("detect")}
    names = sorted({name for _, _, name in cells}, key=lambda name: (name != "hog_svm", name))
    lines = [f"| data set | pictures | {' | '.join(names)} |", f"|---|---|{'---|' * len(names)}"]
    for data, size in sorted({(data, size) for data, size, _ in cells}, key=lambda cell: (cell[0], _number(cell[1]))):
        found = [cells.get((data, size, name)) for name in names]
        row = [f"{each['mean']:.1f} ± {_half(each):.1f}" if each else "" for each in found]
        lines.append(f"| {data} | {size.removesuffix('img')} | {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def _cells(suite: str) -> list[dict[str, Any]]:
    kept = [json.loads(path.read_text()) for path in sorted((RESULTS / suite).glob("*.json"))]
    return [cell["config"] | {"figures": cell["figures"]} for cell in kept]


def _number(size: str) -> int:
    """Returns the number that a size such as 30img begins with; all comes last."""
    digits = re.match(r"\d+", size)
    return int(digits[0]) if digits else sys.maxsize


def _spoken(size: str) -> str:
    return f"{_number(size)} pictures a label"


def _mean(values: list[float]) -> float:
    return sum(values) / max(len(values), 1)


def _half(estimate: dict[str, float]) -> float:
    return math.hypot(estimate["draws95"], estimate["pictures95"])


TABLES: Final[dict[str, Callable[[], str]]] = {
    "accuracy": accuracy_table,
    "fewshot": fewshot_table,
    "detect": detect_table,
}


def written(readme: str) -> str:
    """Return the README with each table as it should be, where it has a place for one."""
    place = re.compile(rf"(<!-- ({'|'.join(TABLES)}) -->\n).*?(<!-- /\2 -->)", re.DOTALL)
    return place.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], readme)


def main(arguments: list[str]) -> int:
    """Write the tables into the README; return the exit code."""
    argparse.ArgumentParser(prog="./darkroom bench readme", description=__doc__).parse_args(arguments)
    README.write_text(written(README.read_text()))
    sys.stdout.write("\n".join(table() for table in TABLES.values()))
    return 0
