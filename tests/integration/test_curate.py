"""Datasets into a real Azurite and out of it, by the command line."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from curate.cli import main
from devhost.process import ROOT
from shared.storage.azure import Account, AzureContainer
from tests.pictures import draw
from tests.storage_support import azurite, new_container, new_queue
from tests.waiting import wait_until
from tests.world import Pace, make_intake

__all__ = ["azurite"]


@pytest.fixture
def training(azurite: Account) -> AzureContainer:
    return new_container(azurite, "curated")


@pytest.fixture
def registry(azurite: Account, monkeypatch: pytest.MonkeyPatch) -> AzureContainer:
    container = new_container(azurite, "registered")
    monkeypatch.setenv("REGISTRY_CONTAINER", container.name)
    return container


@pytest.fixture
def run(azurite: Account, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("TRAINING_STORAGE", azurite.connection_string or "")
    return lambda *arguments: main([str(one) for one in arguments])


def drawn(folder: Path, count: int) -> Path:
    for number in range(count):
        file = folder / ("nut" if number % 2 else "Schlüssel groß") / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(draw(number))
    return folder


def test_a_dataset_goes_in_is_folded_and_comes_out(  # type: ignore[no-untyped-def]
    azurite: Account,
    training: AzureContainer,
    registry: AzureContainer,
    run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, target = drawn(tmp_path / "source", 12), f"{training.name}/parts"
    assert run("import", source, target, "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["uploaded"] == 12
    assert run("import", source, target, "--json") == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (again["uploaded"], again["skipped"]) == (0, 12)
    assert run("lint", target) == 2
    assert "has not seen them yet" in capsys.readouterr().err
    make_intake(training, registry, new_queue(azurite), Pace()).reconcile(now=datetime.now(UTC))
    assert run("lint", target, "--json") == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {row["label"]: row["train"] + row["test"] for row in facts["labels"]} == {"Schlüssel groß": 6, "nut": 6}
    assert run("export", target, "--format", "coco", "--to", tmp_path / "out", "--pictures") == 0
    exported = {p.relative_to(tmp_path / "out/images"): p.read_bytes() for p in tmp_path.glob("out/images/*/*")}
    assert exported == {p.relative_to(source): p.read_bytes() for p in source.glob("*/*")}


def test_an_import_that_is_killed_is_gone_on_with(  # type: ignore[no-untyped-def]
    azurite: Account, training: AzureContainer, run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = drawn(tmp_path, 400), f"{training.name}/parts"
    command = [sys.executable, "-m", "curate", "import", str(source), target]
    env = {**os.environ, "TRAINING_STORAGE": azurite.connection_string or "", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as child:
        wait_until(lambda: len(list(training.list("parts/"))) > 20, "some pictures are there", pause=0.02)
        child.send_signal(signal.SIGKILL)
    before = {blob.path: blob.etag for blob in training.list("parts/")}
    assert 20 < len(before) < 400
    assert run("import", source, target, "--json") == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert facts["uploaded"] + facts["skipped"] == 400
    assert facts["skipped"] >= len(before)  # what was under way when it was killed may have come since
    after = {blob.path: blob.etag for blob in training.list("parts/")}
    assert len(after) == 400
    assert before.items() <= after.items()


def test_a_container_that_is_not_there_is_told(run, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    assert run("lint", "nothere/parts") == 2
    error = capsys.readouterr().err
    assert error.startswith("darkroom dataset lint: there is no container 'nothere'. Check the name")
    assert error.count("\n") == 1


@pytest.mark.parametrize("key", ["d3Jvbmc=", "no base64"])
def test_a_wrong_key_is_told_without_showing_it(  # type: ignore[no-untyped-def]
    azurite: Account, training: AzureContainer, run, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = (azurite.connection_string or "").split(";")
    connection = ";".join([*(p for p in parts if p and not p.startswith("AccountKey=")), f"AccountKey={key}"])
    assert run("lint", f"{training.name}/parts", "--connection", connection) == 2
    error = capsys.readouterr().err
    assert "check AccountName and AccountKey" in error
    assert key not in error
