"""Models as zips: what is in them, that they run without the engine and answer as it does, and refusals."""

import io
import json
import resource
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from tests.engine_support import (
    ROOT,
    Engine,
    PictureStore,
    check_error,
    draw_part,
    encode,
    engine_in_process,
)
from tests.learn_support import write_network

ORIGIN = {"licence": "Apache-2.0", "source": "example.org/averages"}
CLOSE = 1e-4


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_network(tmp_path_factory.mktemp("backbone"), **ORIGIN)


@pytest.fixture(scope="module")
def exported(data: Path, backbone: Path, store: PictureStore) -> Iterator[tuple[Engine, bytes]]:
    """An engine with a network as backbone and a model `parts`, and its export."""
    with engine_in_process(data, store.host, backbone=backbone) as running:
        running.register("parts", store.put_parts("parts"))
        running.trained("parts", "parts")
        answer = running.call("GET", "models/parts:export")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/zip"
        assert answer.headers["content-disposition"] == 'attachment; filename="parts.zip"'
        assert int(answer.headers["content-length"]) == len(answer.content)
        yield running, answer.content


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def confidences(engine: Engine, picture: bytes) -> dict[str, float]:
    answer = engine.call("POST", "imageanalysis:analyze", params={"model-name": "parts"}, content=picture)
    assert answer.status_code == 200, answer.text
    return {tag["name"]: tag["confidence"] for tag in answer.json()["customModelResult"]["tagsResult"]["values"]}


def pictures() -> dict[str, bytes]:
    turned, see_through = Image.Exif(), Image.new("RGBA", (90, 120), (200, 40, 40, 120))
    turned[0x0112] = 6
    return {
        "plain.jpg": draw_part("bolt", 90, size=(640, 480)),
        "turned.jpg": encode(Image.open(io.BytesIO(draw_part("nut", 91, size=(300, 90)))), "JPEG", exif=turned),
        "clear.png": encode(see_through, "PNG"),
        "large.jpg": draw_part("washer", 92, size=(2300, 300)),
        "tall.jpg": draw_part("nut", 93, size=(60, 400)),
    }


def test_onnxruntime_alone_answers_as_the_engine_does(exported: tuple[Engine, bytes]) -> None:
    engine, content = exported
    files = members(content)
    session = onnxruntime.InferenceSession(files["model.onnx"], providers=["CPUExecutionProvider"])
    labels = json.loads(files["labels.json"])
    for label, seed, size in (("bolt", 90, (640, 480)), ("nut", 91, (80, 300)), ("washer", 92, (500, 60))):
        picture = draw_part(label, seed, size=size)
        (found,) = session.run(None, {"picture": np.asarray(Image.open(io.BytesIO(picture)))})
        expected = confidences(engine, picture)
        assert found == pytest.approx([expected[name] for name in labels], abs=CLOSE)


def test_the_program_in_the_zip_answers_as_the_engine_does(exported: tuple[Engine, bytes], tmp_path: Path) -> None:
    engine, content = exported
    for name, file in (members(content) | pictures()).items():
        (tmp_path / name).write_bytes(file)
    ran = subprocess.run(
        [sys.executable, "predict.py", *pictures()], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    lines = {line.split("\t")[0]: line.split("\t")[1:] for line in ran.stdout.splitlines()}
    assert set(lines) == set(pictures())
    for name, picture in pictures().items():
        found = {tag.rpartition(" ")[0]: float(tag.rpartition(" ")[2]) for tag in lines[name]}
        assert found == pytest.approx(confidences(engine, picture), abs=CLOSE), name


def test_the_zip_says_what_the_model_is_and_is_the_same_to_the_byte_when_asked_for_again(
    exported: tuple[Engine, bytes],
) -> None:
    engine, content = exported
    files = members(content)
    assert set(files) == {"model.onnx", "labels.json", "card.json", "README.md", "predict.py"}
    card = json.loads(files["card.json"])
    assert card["backbone"].items() >= ({"name": "averages"} | ORIGIN).items()
    assert card["training"].items() >= {"dataset": "parts", "pictures": 12}.items()
    assert len(card["training"]["digest"]) == 64
    assert card["labels"] == json.loads(files["labels.json"]) == ["bolt", "nut", "washer"]
    assert card["performance"] == engine.call("GET", "models/parts").json()["modelPerformance"]
    assert engine.call("GET", "models/parts:export").content == content


def test_a_model_that_is_not_there_or_has_not_succeeded_is_not_exported(
    exported: tuple[Engine, bytes], store: PictureStore
) -> None:
    engine, _ = exported
    check_error(engine.call("GET", "models/none:export"), 404, "ModelNotFound")
    engine.register("empty", store.url("no-such-file.json"))
    engine.train("failed", "empty")
    assert engine.wait("models/failed")["status"] == "failed"
    assert "failed" in check_error(engine.call("GET", "models/failed:export"), 409, "ModelNotReady")


def test_files_of_a_backbone_that_changed_since_the_engine_started_are_not_exported(
    exported: tuple[Engine, bytes], backbone: Path
) -> None:
    engine, _ = exported
    network = (backbone / "model.onnx").read_bytes()
    try:
        (backbone / "model.onnx").write_bytes(network + b"\0")
        refused = engine.call("GET", "models/parts:export")
    finally:
        (backbone / "model.onnx").write_bytes(network)
    assert "averages" in check_error(refused, 409, "ModelBackboneMismatch")


def test_a_disk_that_refuses_is_told_and_the_connection_stays(exported: tuple[Engine, bytes]) -> None:
    engine, content = exported
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # bytes a file, for the engine in this process
    try:
        refused = [engine.call("GET", "models/parts:export") for _ in range(3)]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    for answer in refused:
        assert "ENGINE_DATA" in check_error(answer, 500, "InternalServerError")
    assert engine.call("GET", "models/parts:export").content == content


def test_exports_at_the_same_time_are_each_whole(exported: tuple[Engine, bytes]) -> None:
    engine, content = exported
    with ThreadPoolExecutor(4) as callers:
        answers = list(callers.map(lambda _: engine.call("GET", "models/parts:export").content, range(8)))
    assert answers == [content] * 8


def test_onnx_is_imported_only_when_a_model_is_exported() -> None:
    program = "import sys, engine.app, engine.job, engine.learn.network; sys.exit('onnx' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_with_the_built_in_backbone_the_zip_runs_alone_too(tmp_path: Path, store: PictureStore) -> None:
    data = tmp_path / "data"
    with engine_in_process(data, store.host) as engine:
        engine.register("parts", store.put_parts("few", each=2))
        engine.trained("parts", "parts")
        files = members(engine.call("GET", "models/parts:export").content)
        backbone = engine.client.get("/healthz").json()["backbone"]
        picture = draw_part("bolt", 90, size=(640, 480))
        expected = confidences(engine, picture)
    card, labels = json.loads(files["card.json"]), json.loads(files["labels.json"])
    assert card["backbone"]["licence"] == "MIT"
    assert card["backbone"]["digest"] == backbone["digest"]
    session = onnxruntime.InferenceSession(files["model.onnx"], providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"picture": np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))})
    assert np.abs(found - [expected[label] for label in labels]).max() < CLOSE
