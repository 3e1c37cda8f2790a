"""How fast pictures are answered: the engine against its limit and a plain endpoint, `predict`, a training beside it.

One home (Azurite, engine, function host) is started in a temporary folder; it trains a small model from drawn pictures
and promotes it. All calls send the same 640 x 480 JPEG from a process of their own over kept-alive connections.

*The limit* is what one process a core does in the same code without HTTP: decode, resize, run the network, apply the
head. The CPU that the clients took beside the engine is subtracted from it. *The plain endpoint* is what a user would
write with Starlette, Pillow and onnxruntime (`bench/serving/plain.py`); it is tried with onnxruntime's default threads
and with one, and the better is the peer. Limit, engine and peer take turns; each figure is the median of the rounds.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Final

from bench.report import SERVING_PACKAGES, Figure, by_name, keep_result, print_figures, revision
from bench.serving import busy, overhead, throughput
from bench.serving.home import open_home, say
from engine.learn.errors import BackboneError
from engine.learn.manifest import read_manifest

RESULTS: Final = Path(__file__).with_name("results") / "serve"
BOUNDED: Final = "mobilenet_v2"  # the backbone that the bounds are for
CASES: Final = {"throughput": throughput.measure, "overhead": overhead.measure, "busy": busy.measure}


def main(arguments: list[str]) -> int:
    """Runs the suite; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="./darkroom bench serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--backbone",
        type=Path,
        default=os.environ.get("ENGINE_BACKBONE") or None,
        help=f"folder of the {BOUNDED} backbone, with META.json and model.onnx (default ENGINE_BACKBONE)",
    )
    parser.add_argument("--only", default=",".join(CASES), help=f"cases, of {','.join(CASES)} (default all)")
    parser.add_argument("--rounds", type=int, default=5, help="of limit, engine and peer (default 5)")
    parser.add_argument("--seconds", type=float, default=5.0, help="each takes a round (default 5)")
    parser.add_argument("--write", action="store_true", help="keep the figures in bench/results/serve")
    parser.add_argument("--json", action="store_true", help="print one JSON object, last")
    options = parser.parse_args(arguments)
    cases = options.only.split(",")
    if unknown := set(cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    if options.backbone is None:
        parser.error(f"which backbone? Name the folder of {BOUNDED} with --backbone DIR, or set ENGINE_BACKBONE")
    _check_backbone(parser, options.backbone)
    figures: list[Figure] = []
    at = revision()
    with open_home(options.backbone.absolute()) as home:
        for case in cases:
            say(f"case '{case}'")
            found, details = CASES[case](home, rounds=options.rounds, seconds=options.seconds)
            figures += found
            if options.write:
                keep_result(
                    RESULTS / f"{case}.json",
                    by_name(found),
                    at=at,
                    seed=0,
                    config={
                        "backbone": BOUNDED,
                        "rounds": options.rounds,
                        "seconds": options.seconds,
                        "cores": os.cpu_count(),
                    },
                    packages=SERVING_PACKAGES,
                    details=details,
                )
    return print_figures("serve", figures, as_json=options.json)


def _check_backbone(parser: argparse.ArgumentParser, folder: Path) -> None:
    try:
        manifest = read_manifest(folder)
    except BackboneError as exc:
        parser.error(str(exc))
    if manifest.name != BOUNDED:
        parser.error(f"{folder} is {manifest.name}, the bounds are for {BOUNDED}: name its folder with --backbone")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
