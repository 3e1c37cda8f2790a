"""Distils teachers into the student on drawings: `python -m pretrain.train --teachers A B C --out DIR --minutes 85`."""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from pretrain.batches import Batches
from pretrain.distillation import Distillation
from pretrain.options import Options, parse
from pretrain.schedule import Schedule
from pretrain.teachers import read_manifest

COUNTED = 60  # batches from which the targets' means and deviations are taken
LOGGED = 50  # steps
SAVED = 240  # seconds
SMOOTH = 0.98


def train(options: Options) -> Path:
    """Trains and writes curve.jsonl as it goes, last.pt every few minutes and at the end; returns the latter's path.

    One thread computes, so that with --steps the same options give the same weights on the same kind of machine.
    """
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    checkpoint = options.out / "last.pt"
    work = Distillation([read_manifest(folder) for folder in options.teachers])
    if options.resume:
        work.restore(options.resume)
    with Batches(options) as batches, (options.out / "curve.jsonl").open("a") as curve:
        for line in _steps(options, work, batches, checkpoint):
            curve.write(json.dumps(line) + "\n")
            curve.flush()
    work.save(checkpoint)
    return checkpoint


def _steps(options: Options, work: Distillation, batches: Batches, checkpoint: Path) -> Iterator[dict[str, float]]:
    """Learns batch after batch; yields a line of the curve every 50."""
    schedule = Schedule(options)
    optimiser = torch.optim.AdamW(work.parameters(), lr=options.lr, weight_decay=0.02, betas=(0.9, 0.98))
    running: dict[str, float] = {}
    step, seen, saved = 0, 0, 0.0
    while (share := schedule.share(step)) < 1:
        rate = schedule.rate(step, share)
        for group in optimiser.param_groups:
            group["lr"] = rate
        pictures, answers = batches.next()
        loss, parts = work.loss(pictures, answers)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(work.parameters(), 2.0)
        optimiser.step()
        for name, value in parts.items():
            running[name] = SMOOTH * running.get(name, value) + (1 - SMOOTH) * value
        step, seen = step + 1, seen + len(pictures)
        if step == COUNTED:
            work.fix_targets()
        if step % LOGGED == 0:
            losses = {name: round(value, 4) for name, value in running.items()}
            yield {"step": step, "seen": seen, "seconds": round(schedule.seconds), "lr": rate, **losses}
        if schedule.seconds - saved > SAVED:
            saved = schedule.seconds
            work.save(checkpoint)


if __name__ == "__main__":
    train(parse())
