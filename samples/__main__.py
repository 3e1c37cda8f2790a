"""`python -m samples FOLDER`: writes the sample to a folder."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from samples import LABELS, write_mixed, write_sample


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws and writes; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m samples", description="Draws labelled pictures of small parts.")
    parser.add_argument("folder", type=Path, help="where the pictures and coco.json go")
    parser.add_argument("--per-label", type=int, default=40, help="pictures a label (default: 40)")
    parser.add_argument(
        "--boxes", action="store_true", help="for detection: several labels a picture, side-cars beside"
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed, other pictures (default: 0)")
    parser.add_argument("--labels", nargs="+", default=list(LABELS), choices=LABELS, metavar="LABEL")
    args = parser.parse_args(arguments)
    try:
        if args.boxes:
            paths = write_mixed(args.folder, args.per_label * len(args.labels), args.seed, args.labels)
        else:
            paths = write_sample(args.folder, args.per_label, args.seed, args.labels)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    sys.stdout.write(f"{len(paths)} pictures of {len(args.labels)} labels in {args.folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
