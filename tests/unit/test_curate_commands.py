"""The command line of `./darkroom dataset`: what it prints of files, and how it says no."""

import fcntl
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from curate.cli import main
from curate.errors import CurateError, UsageError
from curate.storage import Target, open_storage, target_of
from shared.formats.voc import write_voc
from tests.pictures import draw, turned

SOUND: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "a.jpg", "width": 120, "height": 90}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [12, 9, 60, 45]}],
    "categories": [{"id": 1, "name": "nut"}],
}


def written(folder: Path, name: str, content: object) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content, indent=1).encode())
    return file


def run(*arguments: object) -> int:
    return main([str(one) for one in arguments])


def test_a_sound_file_has_no_findings_and_a_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lint", written(tmp_path, "a.json", SOUND), "--json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1 picture, 1 box in pixels; detection; 0 findings"
    assert json.loads(lines[-1]) == {
        "file": str(tmp_path / "a.json"),
        "pictures": 1,
        "labels": {"nut": 1},
        "boxes": 1,
        "kind": "detection",
        "unit": "pixel",
        "findingCount": 0,
        "findings": [],
        "repaired": None,
    }


def test_findings_name_file_line_record_and_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, "a.json", {**SOUND, "annotations": [{"id": 7, "image_id": 1, "category_id": 9}]})
    assert run("lint", file) == 1
    first = capsys.readouterr().out.splitlines()
    assert any(line.startswith(f"{file}:11: annotation 7: category 9 is not") for line in first)


def test_pictures_give_the_sizes_that_a_file_does_not_state(tmp_path: Path) -> None:
    image = {"id": 1, "file_name": "a.jpg"}
    file = written(tmp_path, "a.json", {**SOUND, "images": [image]})
    written(tmp_path, "pictures/deep/a.jpg", draw(1, size=(120, 90)))
    assert run("lint", file) == 1
    assert run("lint", file, "--pictures", tmp_path / "pictures", "--fix") == 0
    repaired = json.loads((tmp_path / "a.repaired.json").read_text())
    assert (repaired["images"][0]["width"], repaired["annotations"][0]["bbox"]) == (120, [0.1, 0.1, 0.5, 0.5])
    assert run("lint", tmp_path / "a.repaired.json") == 0


def test_a_repaired_copy_never_goes_over_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, "a.json", SOUND)
    for out in (file, written(tmp_path, "other.json", {})):
        before = out.read_bytes()
        assert run("lint", file, "--fix", out) == 2
        assert "is there already" in capsys.readouterr().err
        assert out.read_bytes() == before
    assert run("lint", file, "--fix", tmp_path / "new.json") == 0
    assert run("lint", file, "--fix") == run("lint", file, "--fix") == 0


def test_nothing_is_written_when_nothing_can_be_used(tmp_path: Path) -> None:
    assert run("lint", written(tmp_path, "a.json", b"{"), "--fix") == 2
    assert not (tmp_path / "a.repaired.json").exists()


def test_a_box_beyond_the_border_is_named_by_its_annotation_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second box of the picture, which is the third annotation of the file."""
    file = written(
        tmp_path,
        "a.json",
        b"""{"images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 100},
{"id": 2, "file_name": "b.jpg", "width": 100, "height": 100}],
"annotations": [
{"id": 7, "image_id": 1, "category_id": 1, "bbox": [60, 10, 50, 50.5]},
{"id": 8, "image_id": 2, "category_id": 1, "bbox": [10, 10, 50, 50]},
{"image_id": 2, "category_id": 1, "bbox": [60, 10, 50, 50]}],
"categories": [{"id": 1, "name": "nut"}]}""",
    )
    assert run("lint", file) == 1
    lines = capsys.readouterr().out.splitlines()
    beyond = "'nut': its box lies beyond the picture's border. Draw it inside the picture."
    assert f"{file}:4: annotation 7 of image 1: {beyond}" in lines
    assert f"{file}:6: annotation at 2 of image 2: {beyond}" in lines


def test_a_voc_file_is_compared_with_the_picture_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, "a[1].xml", write_voc(filename="a.jpg", size=(64, 48), regions=()))
    assert run("lint", file) == 0
    xml = file.read_bytes().replace(
        b"</annotation>",
        b"<object><name>nut</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"
        b"</annotation>",
    )
    file.write_bytes(xml)
    assert run("lint", file) == 0
    written(tmp_path, "a[1].jpg", turned(1, size=(64, 48)))
    assert run("lint", file) == 1
    assert "turned by its EXIF orientation" in capsys.readouterr().out


def test_a_yolo_file_gets_its_names_from_the_nearest_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, "labels/train/a.txt", b"1 0.5 0.5 0.2 0.2\n")
    assert run("lint", file) == 1
    assert "no list of names" in capsys.readouterr().out
    written(tmp_path, "data.yaml", b"names: [bolt, nut]\n")
    assert run("lint", file, "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["labels"] == {"nut": 1}


def test_a_list_of_classes_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lint", written(tmp_path, "classes.txt", b"nut\nnut\n")) == 1
    assert "classes.txt:2: class 1: 'nut' is an earlier class too" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["lint", "{}/none.json"], 2, "there is no file"),
        (["lint", "none"], 2, "is not CONTAINER/DATASET"),
        (["lint", "training/Not Valid"], 2, "is not a dataset name"),
        (["lint", "{}"], 2, "is a folder; lint takes a file"),
        (["lint", "{}/a.doc"], 2, "no file of labels by its name"),
        (["lint", "{}/a.doc", "--fix"], 2, "only COCO files"),
        (["lint", "{}/sound.json", "--fix", "{}/none/out.json"], 2, "No such file or directory"),
        (["lint", "training/parts", "--fix"], 2, "--fix is for files"),
        (["import", "{}", "training"], 2, "is not CONTAINER/DATASET"),
        (["import", "{}/none", "training/parts"], 1, "where is storage?"),
        (["export", "training/parts", "--format", "coco", "--to", "{}/x"], 1, "where is storage?"),
    ],
)
def test_a_command_that_cannot_be_carried_out_says_so_in_one_line(
    arguments: list[str],
    status: int,
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TRAINING_STORAGE", raising=False)
    written(tmp_path, "a.doc", b"text")
    written(tmp_path, "sound.json", SOUND)
    data = tmp_path / "home"
    assert run(*(one.format(tmp_path) for one in arguments), "--data", data) == status
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["export", "training/parts"], ["lint"], ["nothing"]])
def test_a_wrong_command_line_exits_with_2(arguments: list[str]) -> None:
    try:
        status = main(arguments)
    except SystemExit as left:
        status = int(left.code or 0)
    assert status == 2


def test_a_target_is_a_container_and_a_dataset() -> None:
    assert target_of("training/parts/") == Target("training", "parts")
    for text in ("training", "training/", "a/b/c", "training/Parts"):
        with pytest.raises(UsageError):
            target_of(text)


def test_a_malformed_connection_string_is_told_without_showing_it() -> None:
    with pytest.raises(CurateError, match="malformed") as told:
        open_storage("training", connection="secret", environment={})
    assert "secret" not in str(told.value)


def test_a_state_that_a_killed_up_left_is_not_believed(tmp_path: Path) -> None:
    written(tmp_path, "up.json", {"storageConnectionString": "UseDevelopmentStorage=true"})
    written(tmp_path, "up.lock", b"")
    with pytest.raises(CurateError, match="where is storage"):
        open_storage("training", connection=None, home=tmp_path, environment={})


def test_a_running_ups_connection_is_used(tmp_path: Path) -> None:
    written(tmp_path, "up.json", {"storageConnectionString": "malformed"})
    with written(tmp_path, "up.lock", b"").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CurateError, match="malformed"):
            open_storage("training", connection=None, home=tmp_path, environment={})


def test_files_are_checked_without_loading_what_only_storage_needs(tmp_path: Path) -> None:
    file = written(tmp_path, "a.json", SOUND)
    code = (
        "import sys; from curate.cli import main; status = main(['lint', sys.argv[1]]); "
        "sys.exit(status or ('azure.storage.blob' in sys.modules) or ('numpy' in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code, file], check=False, capture_output=True).returncode == 0
