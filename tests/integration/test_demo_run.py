"""The demo for real, as `./darkroom demo` runs it: its JSON, its exit codes, and that it leaves nothing behind."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import samples
from devhost.process import ROOT


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures") / "Two Parts"
    samples.write_sample(folder, 10, labels=["bolt", "washer"])
    return folder


def demo(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the demo with its temporary folders under `tmp_path`."""
    command = [sys.executable, "-m", "devhost", "demo", *arguments]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path), **environment}
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert [process for process in psutil.process_iter(["cmdline"]) if mentions(process, tmp_path)] == []
    return ended


def mentions(process: psutil.Process, folder: Path) -> bool:
    return any(str(folder) in argument for argument in process.info["cmdline"] or [])


@pytest.mark.slow
def test_the_demo_ends_with_a_promoted_model_and_leaves_nothing(tmp_path: Path, pictures: Path) -> None:
    ended = demo(tmp_path, "--images", str(pictures), "--json")
    assert ended.returncode == 0, ended.stderr
    (line,) = ended.stdout.splitlines()
    told = json.loads(line)
    assert list(told) == ["ok", "dataset", "version", "snapshot", "accuracy", "hops", "predictions"]
    assert (told["ok"], told["dataset"]) == (True, "two-parts")
    assert told["version"] == f"two-parts.{told['snapshot']}.1"
    assert list(told["hops"]) == ["start", "upload", "fold", "threshold", "train", "promote", "predict"]
    assert len(told["predictions"]) == 4
    assert all(set(one) == {"picture", "truth", "label", "confidence"} for one in told["predictions"])
    assert "promoted two-parts." in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_demo_that_runs_out_of_time_says_where_and_keeps_its_logs(tmp_path: Path, pictures: Path) -> None:
    ended = demo(tmp_path, "--images", str(pictures), "--timeout", "0.1", "--json")
    assert ended.returncode == 1
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["ok"] is False
    assert "did not end in time" in told["reason"]
    (data,) = tmp_path.iterdir()
    assert [entry.name for entry in data.iterdir()] == ["logs"]
    assert str(data / "logs") in told["reason"]


@pytest.mark.parametrize(
    ("arguments", "environment", "reason"),
    [
        (["--images", "nowhere"], {}, "nowhere is not a folder"),
        (["--images", "samples"], {}, "holds no pictures"),
        (["--images", "samples", "--kind", "detection"], {}, "holds no picture with a side-car"),
        (["--dataset", "Not Valid"], {}, "cannot be a dataset's name"),
        (["--timeout", "0"], {}, "no number of seconds"),
        ([], {"ENGINE_BACKBONE": "nowhere"}, "ENGINE_BACKBONE is"),
    ],
    ids=["missing folder", "no pictures", "no side-cars", "name", "timeout", "backbone"],
)
def test_what_cannot_work_is_refused_before_anything_starts(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], reason: str
) -> None:
    ended = demo(tmp_path, *arguments, **environment)
    assert ended.returncode == 1
    assert reason in ended.stderr
    assert list(tmp_path.iterdir()) == []
