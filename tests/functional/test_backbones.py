"""`./darkroom backbone` over drawn networks: fetched from a transport of the test, checked, kept, listed, chosen."""

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from backbones.adding import add_backbone
from backbones.checking import try_backbone
from backbones.cli import main
from backbones.errors import FetchError, ShelfError, UsageError
from backbones.fetching import download, unpack
from backbones.shelf import Shelf
from engine.learn.backbone import load_backbone
from engine.learn.errors import BackboneError
from engine.learn.manifest import read_manifest
from engine.learn.network import NetworkBackbone
from tests.learn_support import write_network

URL = "https://models.example.org/averages.zip"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = write_network(tmp_path / "source", licence="MIT", source="drawn")
    (folder / "LICENSE.txt").write_text("MIT")
    (folder / "weights.bin").write_bytes(b"x")
    return folder


def zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("averages/README")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    return buffer.getvalue()


def inside(folder: Path, prefix: str = "averages/") -> dict[str, bytes]:
    return {f"{prefix}{path.name}": path.read_bytes() for path in sorted(folder.iterdir())}


def client_of(answers: Mapping[str, httpx.Response | Callable[[], httpx.Response]]) -> httpx.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        found = answers.get(str(request.url), httpx.Response(404))
        return found if isinstance(found, httpx.Response) else found()

    return httpx.Client(transport=httpx.MockTransport(answer))


def answering(content: bytes) -> httpx.Response:
    return httpx.Response(200, stream=httpx.ByteStream(content))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def kept(shelf: Shelf) -> list[str]:
    return sorted(str(path.relative_to(shelf.folder)) for path in shelf.folder.rglob("*") if path.is_file())


def test_a_folder_is_checked_and_kept_with_its_licence_and_nothing_else(shelf: Shelf, source: Path) -> None:
    name, checked = add_backbone(shelf, str(source))
    assert name == "averages"
    assert kept(shelf) == [f"averages/{file}" for file in ("LICENSE.txt", "META.json", "check.json", "model.onnx")]
    assert (checked.width, checked.channels, checked.licence) == (6, {8: 3, 16: 3, 32: 3}, "MIT")
    assert checked.digest == load_backbone(shelf.folder / name).digest
    assert json.loads((shelf.folder / name / "check.json").read_text()) == checked.document()


@pytest.mark.parametrize("packed", [zipped, tarred])
@pytest.mark.parametrize("prefix", ["", "averages/"])
def test_an_archive_at_a_url_is_fetched_when_its_digest_is_right(
    shelf: Shelf, source: Path, packed: Callable[[Mapping[str, bytes]], bytes], prefix: str
) -> None:
    content = packed(inside(source, prefix) | {"other/model.onnx": b"no", "../../escaped": b"no", "/META": b"no"})
    away = "https://cdn.example.org/x"
    client = client_of({URL: httpx.Response(302, headers={"Location": away}), away: answering(content)})
    name, _ = add_backbone(shelf, URL, sha256=sha256(content).upper(), name="mine", client=client)
    assert name == "mine"
    assert kept(shelf) == [f"mine/{file}" for file in ("LICENSE.txt", "META.json", "check.json", "model.onnx")]


def test_a_network_alone_needs_its_manifest(shelf: Shelf, source: Path) -> None:
    with pytest.raises(UsageError, match="--manifest FILE"):
        add_backbone(shelf, str(source / "model.onnx"))
    name, _ = add_backbone(shelf, str(source / "model.onnx"), manifest=source / "META.json")
    assert shelf.names == [name]


@pytest.mark.parametrize(
    ("url", "digest", "answer", "message"),
    [
        (URL, None, httpx.Response(200), "--sha256 HEX"),
        (URL, "abc", httpx.Response(200), "64 hex digits"),
        ("http://models.example.org/a.zip", "0" * 64, httpx.Response(200), "no https address"),
        ("file:///etc/passwd", "0" * 64, httpx.Response(200), "no https address"),
        (URL, "0" * 64, answering(b"other"), "not 0000"),
        (URL, "0" * 64, httpx.Response(404), "404"),
        (URL, "0" * 64, httpx.Response(302, headers={"Location": "http://x.org/a.zip"}), "no https address"),
        (URL, "0" * 64, httpx.Response(302, headers={"Location": URL}), "forwards more than"),
    ],
)
def test_a_url_that_is_not_what_was_asked_for_leaves_nothing(
    shelf: Shelf, url: str, digest: str | None, answer: httpx.Response, message: str
) -> None:
    with pytest.raises(ShelfError, match=message):
        add_backbone(shelf, url, sha256=digest, client=client_of({url: answer}))
    assert list(shelf.folder.iterdir()) == []


def test_what_is_packed_on_the_way_is_not_unpacked_before_its_digest_is_taken(shelf: Shelf, source: Path) -> None:
    content = tarred(inside(source))
    assert content[:2] == gzip.compress(b"")[:2]
    packed = httpx.Response(200, stream=httpx.ByteStream(content), headers={"Content-Encoding": "gzip"})
    assert add_backbone(shelf, URL, sha256=sha256(content), client=client_of({URL: packed}))[0] == "averages"


def test_more_bytes_than_the_bound_are_not_read(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="more than 1000 bytes"):
        download(URL, "0" * 64, tmp_path / "x", client=client_of({URL: answering(bytes(1001))}), most=1000)


@pytest.mark.parametrize("packed", [zipped, tarred])
def test_an_archive_that_unpacks_to_more_than_the_bound_is_refused(
    tmp_path: Path, packed: Callable[[Mapping[str, bytes]], bytes]
) -> None:
    (tmp_path / "bomb").write_bytes(packed({"META.json": b"{}", "model.onnx": b"", "other": bytes(1000)}))
    with pytest.raises(FetchError, match="more than 1000 bytes"):
        unpack(tmp_path / "bomb", tmp_path, most=1000)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"readme.txt": b""}, "0 files META.json"),
        ({"a/META.json": b"{}", "b/META.json": b"{}"}, "2 files META.json"),
        ({"a/META.json": b"{}", "model.onnx": b""}, "no model.onnx beside"),
        ({"META.json": b"{}", "model.onnx": b""}, "no manifest"),
    ],
)
def test_an_archive_without_a_backbone_is_told(
    shelf: Shelf, tmp_path: Path, files: Mapping[str, bytes], message: str
) -> None:
    (tmp_path / "some.zip").write_bytes(zipped(files))
    with pytest.raises((FetchError, BackboneError), match=message):
        add_backbone(shelf, str(tmp_path / "some.zip"))
    assert shelf.names == []


def test_a_torn_archive_is_told(shelf: Shelf, source: Path, tmp_path: Path) -> None:
    content = tarred(inside(source) | {"averages/noise": np.random.default_rng(0).bytes(100_000)})
    (tmp_path / "torn.tar.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(FetchError, match="cannot be unpacked"):
        add_backbone(shelf, str(tmp_path / "torn.tar.gz"))


def test_a_name_that_is_taken_by_another_backbone_is_refused_and_the_same_one_may_come_again(
    shelf: Shelf, source: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        assert add_backbone(shelf, str(source))[0] == "averages"
    other = write_network(tmp_path / "other", dtype="float32")
    with pytest.raises(UsageError, match="another backbone 'averages'"):
        add_backbone(shelf, str(other))
    assert add_backbone(shelf, str(other), name="second")[0] == "second"
    with pytest.raises(UsageError, match="cannot be the name"):
        add_backbone(shelf, str(other), name="../up")


def test_a_damaged_folder_on_the_shelf_is_not_overwritten_and_listed_with_its_problem(
    shelf: Shelf, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_backbone(shelf, str(source))
    (shelf.folder / "averages" / "META.json").write_text("{")
    with pytest.raises(UsageError, match="another backbone"):
        add_backbone(shelf, str(source))
    assert main(["list"], shelf=shelf) == 0
    assert "META.json is no manifest" in capsys.readouterr().out


class Odd(NetworkBackbone):
    """A network whose maps a test spoils."""

    def spoil(self, maps: dict[int, NDArray[np.float32]]) -> dict[int, NDArray[np.float32]]:
        return maps

    def feature_maps(self, picture: NDArray[np.uint8]) -> dict[int, NDArray[np.float32]]:
        return self.spoil(super().feature_maps(picture))


class Shrunk(Odd):
    def spoil(self, maps: dict[int, NDArray[np.float32]]) -> dict[int, NDArray[np.float32]]:
        return {stride: levels[:, 1:] for stride, levels in maps.items()}


class Endless(Odd):
    def spoil(self, maps: dict[int, NDArray[np.float32]]) -> dict[int, NDArray[np.float32]]:
        return {stride: levels * np.float32(np.inf) for stride, levels in maps.items()}


class Flat(Odd):
    def spoil(self, maps: dict[int, NDArray[np.float32]]) -> dict[int, NDArray[np.float32]]:
        return {stride: np.ones_like(levels) for stride, levels in maps.items()}


class Moody(Odd):
    asked = 0

    def spoil(self, maps: dict[int, NDArray[np.float32]]) -> dict[int, NDArray[np.float32]]:
        self.asked += 1
        return {stride: levels + np.float32(self.asked) for stride, levels in maps.items()}


class Blind(Odd):
    def embed(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.ones(self.width, np.float32)


class Narrow(Odd):
    def embed(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        return super().embed(picture)[1:]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Shrunk, "27 x 28 cells for 224 x 224 px, not 28 x 28"),
        (Endless, "not finite"),
        (Flat, "the same everywhere"),
        (Moody, "made twice"),
        (Blind, "same features for different pictures"),
        (Narrow, r"shape \(5,\), not \(6,\)"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(source: Path, kind: type[Odd], message: str) -> None:
    with pytest.raises(BackboneError, match=message):
        try_backbone(kind.open(source), kind.open(source))


def test_threads_that_change_the_maps_are_told(source: Path) -> None:
    with pytest.raises(BackboneError, match="between one thread and two"):
        try_backbone(load_backbone(source), Flat.open(source))


def test_the_command_line_adds_checks_uses_and_lists(
    shelf: Shelf, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_network(tmp_path / "other", name="other", dtype="float32")
    assert main(["add", str(source), "--json"], shelf=shelf) == 0
    added = json.loads(capsys.readouterr().out)
    assert added["name"] == "averages"
    assert main(["add", str(other)], shelf=shelf) == 0
    assert "added as other" in capsys.readouterr().out
    assert main(["check", "averages+other", "--json"], shelf=shelf) == 0
    checked = json.loads(capsys.readouterr().out)["backbone"]
    assert checked["channels"] == {"8": 6, "16": 6, "32": 6}
    assert checked["milliseconds"] >= 0
    assert main(["check", str(source)], shelf=shelf) == 0
    assert "averages fits" in capsys.readouterr().out
    assert main(["use", "averages+other"], shelf=shelf) == 0
    capsys.readouterr()
    assert main(["list", "--json"], shelf=shelf) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["use"] == "averages+other"
    assert [row["name"] for row in listed["backbones"] if row["inUse"]] == ["averages", "other"]
    assert listed["backbones"][2]["digest"] == added["backbone"]["digest"]
    assert main(["list"], shelf=shelf) == 0
    assert "*  averages  6" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["use", "nothing"], 2, "no backbone 'nothing'"),
        (["check", "nowhere"], 2, "no backbone 'nowhere'"),
        (["add", "nowhere"], 2, "no file or folder nowhere"),
        (["add", ".", "--sha256", "0" * 64], 2, "--sha256 is for URLs"),
        (["add", ".", "--manifest", "nowhere"], 2, "no file nowhere"),
        (["add", "tests"], 1, "tests has no META.json"),
        (["check", "tests"], 1, "META.json"),
    ],
)
def test_an_expected_problem_is_one_line(
    shelf: Shelf, arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments, shelf=shelf) == status
    told = capsys.readouterr().err
    assert message in told
    assert told.startswith(f"darkroom backbone {arguments[0]}: ")
    assert told.count("\n") == 1


def test_a_backbone_that_was_damaged_since_cannot_be_used(shelf: Shelf, source: Path) -> None:
    add_backbone(shelf, str(source))
    shutil.copy(source / "LICENSE.txt", shelf.folder / "averages" / "META.json")
    assert main(["use", "averages"], shelf=shelf) == 1
    assert shelf.used == "builtin"


DOCS = (Path(__file__).resolve().parents[2] / "docs" / "backbones.md").read_text()


def test_the_manifest_in_the_documentation_is_one(tmp_path: Path) -> None:
    text = DOCS.partition("```json\n")[2].partition("```")[0]
    (tmp_path / "META.json").write_text(text.replace("of model.onnx", "0" * 64))
    manifest = read_manifest(tmp_path)
    assert manifest.channels == {8: 40, 16: 112, 32: 960}
    assert manifest.std == (0.229, 0.224, 0.225)


def test_the_recipes_in_the_documentation_are_programs() -> None:
    recipes = [piece.partition("```")[0] for piece in DOCS.split("```python\n")[1:]]
    assert len(recipes) == 2
    for recipe in recipes:
        compile(recipe, "recipe", "exec")
