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
import os
import random
import sys
from pathlib import Path
from typing import Final

from bench.cocofile import decode, fold, intake, reconcile, snapshot
from bench.cocofile.bounds import MILLION
from bench.cocofile.home import open_home, say
from bench.report import Figure, by_name, keep_result, print_figures, revision

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
    at = revision()
    with open_home(options.pictures) as home:
        for case in cases:
            say(f"case '{case}'")
            found, details = CASES[case](home, random.Random(SEED))  # noqa: S311 - not for secrets
            figures += found
            if options.write:
                keep_result(
                    RESULTS / f"{case}.json",
                    by_name(found),
                    at=at,
                    seed=SEED,
                    config={"pictures": home.pictures, "cores": os.cpu_count()},
                    packages=("azure-storage-blob", "msgspec", "pycocotools"),
                    details=details,
                )
    return print_figures("coco", figures, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
