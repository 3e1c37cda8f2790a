"""Runs a suite: `./darkroom bench SUITE [options]`; each suite explains itself with --help."""

import importlib
import sys
from pathlib import Path

SUITES = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py") if path.stem != "report")


def main(arguments: list[str]) -> int:
    """Run the named suite with the remaining arguments; return its exit code."""
    if not arguments or arguments[0] not in SUITES:
        sys.stderr.write(f"usage: ./darkroom bench SUITE [--json] [options]\nsuites: {', '.join(SUITES)}\n")
        return 2
    suite = importlib.import_module(f"bench.{arguments[0]}")
    return int(suite.main(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
