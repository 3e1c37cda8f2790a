"""What the live COCO file costs: folds, snapshots, intake, reading and reconciliation, on a real Azurite.

A *rewrite*, which folds are measured against, reads, decodes, encodes and uploads the whole file with the same
libraries. *Clustered* changes are a hundred new pictures that follow each other in one folder, *interspersed* ones lie
between the others of a folder, *scattered* ones at random paths: new, replaced, gone.

No fold can do with less than four round trips, one after the other: a read of the head, the reads of the touched
sections, the staging of what is new, a commit. (Against Azurite there is one more, which asks for the version.) In a
million pictures, 385 MB, a clustered fold makes 3 reads, 3 stagings and a commit of together 1.4 MB, or 0.36 %; a
scattered one 191, 161 and 1, of 49 MB. More than a third of the 1.4 MB is the first read, which takes 512 KB so that
hardly any head needs a second. What grows with the file is the head and the list of 3,000 blocks in the commit: they
are why a fold takes two to three times as long there as in ten thousand pictures. `fold_over_bare_calls_1m` sets a fold
against the same calls made once more with nothing between them: no more than what it is above 1 is left to gain by
computing less.
"""

import argparse
import json
import os
import platform
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from bench.cocofile import decode, fold, intake, reconcile, snapshot
from bench.cocofile.bounds import MILLION
from bench.cocofile.home import Home, open_home, say
from bench.report import Figure, print_figures

RESULTS: Final = Path(__file__).with_name("results") / "coco"
CASES: Final = {
    "fold": fold.measure,
    "snapshot": snapshot.measure,
    "intake": intake.measure,
    "decode": decode.measure,
    "reconcile": reconcile.measure,
}
SEED: Final = 0


def main(arguments: list[str]) -> int:
    """Run the suite; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="./darkroom bench coco", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=MILLION, help="of the large file (default 1,000,000)")
    parser.add_argument("--only", default=",".join(CASES), help=f"cases, of {','.join(CASES)} (default all)")
    parser.add_argument("--write", action="store_true", help="keep the figures in bench/results/coco")
    parser.add_argument("--json", action="store_true", help="print one JSON object, last")
    options = parser.parse_args(arguments)
    cases = options.only.split(",")
    if unknown := set(cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    figures: list[Figure] = []
    revision = _revision()
    with open_home(options.pictures) as home:
        for case in cases:
            say(f"case '{case}'")
            found, details = CASES[case](home, random.Random(SEED))  # noqa: S311 - not for secrets
            figures += found
            if options.write:
                _write(case, home, revision, found, details)
    return print_figures("coco", figures, as_json=options.json)


def _revision() -> str:
    git = ["git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty"]
    done = subprocess.run(git, cwd=RESULTS.parents[2], capture_output=True, text=True, check=True)  # noqa: S603 - fixed command
    return done.stdout.strip()


def _write(case: str, home: Home, revision: str, figures: Sequence[Figure], details: Mapping[str, Any]) -> None:
    result = {
        "schema": 1,
        "config": {"pictures": home.pictures, "cores": os.cpu_count()},
        "seed": SEED,
        "revision": revision,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("azure-storage-blob", "msgspec", "pycocotools")},
        "figures": {figure.name: {k: v for k, v in asdict(figure).items() if k != "name"} for figure in figures},
        "details": details,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{case}.json").write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
