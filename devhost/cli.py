"""The verbs up, down and demo of the command line."""

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from typing import Final, Protocol

from devhost import up
from devhost.errors import DevhostError

_VERBS: Final = """\
Darkroom: drop labelled pictures into Blob Storage; a custom vision model develops by itself and answers behind an
Analyze Image endpoint.

  up      start storage, engine and function app on stable ports and keep them running (--detach, --json)
  down    stop what `up` started
  demo    the whole loop once, on free ports: pictures, training, promotion, prediction (--kind, --images DIR, --json)
  test    ruff, mypy --strict, pytest
  bench   benchmarks

Each verb explains itself with --help. ./darkroom VERB installs what is missing and runs it.
"""


class _Demo(Protocol):
    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, args: argparse.Namespace) -> int: ...


def main(arguments: Sequence[str]) -> int:
    """Runs one verb and returns the exit code; an expected problem is one line on stderr and code 1."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    verb, rest = (arguments[0], arguments[1:]) if arguments else ("", ())
    if verb in ("", "help", "-h", "--help"):
        sys.stdout.write(_VERBS)
        return 0
    if verb not in ("up", "down", "demo"):
        where = (
            "is run as ./darkroom " + verb if verb in ("test", "bench") else "is no verb; the verbs are listed above"
        )
        sys.stderr.write(f"{_VERBS}\n{verb!r} {where}\n")
        return 2
    parser = argparse.ArgumentParser(prog=f"darkroom {verb}")
    try:
        if verb == "demo":
            demo: _Demo = importlib.import_module("devhost.demo")
            demo.add_arguments(parser)
            return demo.run(parser.parse_args(rest))
        if verb == "up":
            up.add_up_arguments(parser)
            return up.run_up(parser.parse_args(rest))
        up.add_down_arguments(parser)
        return up.run_down(parser.parse_args(rest))
    except DevhostError as error:
        sys.stderr.write(f"darkroom {verb}: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
