"""The command line of training, as recipe.json records it."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a run is made.

    Attributes:
        teachers: Folders; the first is asked about every batch, the others in turn.
        out: Folder of the checkpoint and the curve.
        minutes: How long to train, or None when `steps` says it.
        steps: How many batches, or None when `minutes` says it; only then is a repeat exact.
        side: Of a drawing, px; a multiple of 32.
        seed: Of the drawings and of the first weights.
        scenes: In a batch.
        views: Of each scene; all are in one batch.
        lr: Learning rate after the warm-up.
        warm: Steps in which the rate rises.
        resume: Checkpoint to go on from; the optimiser starts anew.
        cool: Share of the run, at its end, in which the rate falls to nearly nothing.
    """

    teachers: list[Path]
    out: Path
    minutes: float | None
    steps: int | None
    side: int
    seed: int
    scenes: int
    views: int
    lr: float
    warm: int
    resume: Path | None
    cool: float


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Reads the command line; without arguments, that of this process."""
    parser = argparse.ArgumentParser(prog="python -m pretrain.train", description="Distils teachers into the student.")
    parser.add_argument("--teachers", nargs="+", type=Path, required=True, help="folders with META.json and model.onnx")
    parser.add_argument("--out", type=Path, required=True, help="folder of last.pt and curve.jsonl")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float, help="length by the clock, as the recorded runs")
    length.add_argument("--steps", type=int, help="length in batches, which makes a repeat exact")
    parser.add_argument("--side", type=int, default=128, help="of a drawing, px (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of drawings and first weights (%(default)s)")
    parser.add_argument("--scenes", type=int, default=8, help="in a batch (%(default)s)")
    parser.add_argument("--views", type=int, default=6, help="of each scene (%(default)s)")
    parser.add_argument("--lr", type=float, default=1.5e-3, help="learning rate (%(default)s)")
    parser.add_argument("--warm", type=int, default=200, help="steps in which the rate rises (%(default)s)")
    parser.add_argument("--resume", type=Path, help="checkpoint to go on from")
    parser.add_argument(
        "--cool", type=float, default=0.3, help="share of the run in which the rate falls (%(default)s)"
    )
    options = Options(**vars(parser.parse_args(arguments)))
    if options.side % 32:
        parser.error(f"--side is {options.side}; give a multiple of 32")
    return options
