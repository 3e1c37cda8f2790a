"""The recipe can be followed, and what an export writes is what the engine reads."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from engine.learn.manifest import read_manifest, read_origin
from pretrain.card import card, manifest
from pretrain.options import parse
from pretrain.schedule import Schedule

PRETRAIN = Path(__file__).resolve().parents[2] / "pretrain"
RUNS = json.loads((PRETRAIN / "recipe.json").read_text())["runs"]
REQUIRED = ["--teachers", "a", "b", "--out", "c"]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run["name"])
def test_a_recorded_run_has_options_that_training_takes_and_a_curve(run: dict[str, Any]) -> None:
    options = parse([*REQUIRED, *run["options"]])
    assert options.minutes
    lines = (PRETRAIN / run["curve"]).read_text().splitlines() if run["curve"] else []
    for line in map(json.loads, lines):
        assert line["seen"] == line["step"] * options.scenes * options.views


def test_the_readme_repeats_the_recorded_runs() -> None:
    commands = re.findall(r"-m pretrain\.train \$T (.*)", (PRETRAIN / "README.md").read_text())
    told = [parse([*REQUIRED, *command.split()[2:]]) for command in commands]
    kept = [parse([*REQUIRED, *run["options"]]) for run in RUNS]
    assert len(told) == len(kept)
    for one, other in zip(told, kept, strict=True):
        for name in ("seed", "side", "scenes", "views", "lr", "warm", "cool", "minutes"):
            assert getattr(one, name) == getattr(other, name)
    assert [bool(one.resume) for one in told] == [bool(run["resumed"]) for run in RUNS]


@pytest.mark.parametrize(
    "wrong", [[], ["--minutes", "1", "--steps", "1"], ["--steps", "1", "--side", "100"]], ids=["none", "both", "side"]
)
def test_a_run_needs_one_length_and_a_side_that_the_network_can_halve(wrong: list[str]) -> None:
    with pytest.raises(SystemExit):
        parse([*REQUIRED, *wrong])


def test_a_run_of_steps_does_not_look_at_the_clock() -> None:
    clock = itertools.count(0, 1000)
    schedule = Schedule(parse([*REQUIRED, "--steps", "400", "--lr", "1"]), lambda: float(next(clock)))
    shares = [schedule.share(step) for step in (0, 200, 400)]
    assert shares == [0, 0.5, 1]
    assert next(clock) == 1000


def test_a_run_of_minutes_ends_by_the_clock() -> None:
    now = [100.0]
    schedule = Schedule(parse([*REQUIRED, "--minutes", "2"]), lambda: now[0])
    assert schedule.share(7) == 0
    now[0] = 190.0
    assert schedule.share(7) == 0.75


def test_the_rate_rises_stays_and_falls() -> None:
    schedule = Schedule(parse([*REQUIRED, "--steps", "1000", "--lr", "2", "--cool", "0.5"]))
    rates = [schedule.rate(step, step / 1000) for step in (0, 99, 199, 499, 750, 999)]
    assert rates == pytest.approx([0.01, 1, 2, 2, 1, 0.04])


def test_an_export_writes_a_manifest_that_the_engine_reads(tmp_path: Path) -> None:
    (tmp_path / "META.json").write_text(manifest("small-1", b"network", {8: 2, 32: 4}, 128, licence="MIT"))
    read = read_manifest(tmp_path)
    assert (read.name, read.channels, read.layout, read.order) == ("small-1", {8: 2, 32: 4}, "NHWC", "RGB")
    assert read_origin(tmp_path).licence == "MIT"


def test_the_model_card_names_each_teacher_with_its_licence() -> None:
    teachers = json.loads((PRETRAIN / "teacher_tensors.json").read_text())["teachers"]
    meta = json.loads(manifest("small-1", b"network", {8: 2, 32: 4}, 192, licence="MIT"))
    text = card(meta, 3_000_000, 192, teachers)
    for teacher in teachers:
        assert f"| {teacher['name']} | {teacher['licence']} | {teacher['source']} |" in text
    assert meta["sha256"] in text
    assert "trained at 192 px" in text
