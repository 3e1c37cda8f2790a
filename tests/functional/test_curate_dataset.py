"""Datasets in and out of storage: import, fold, export, and what lint says of them, over memory storage."""

import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from curate.cli import main
from curate.exporting import is_inside
from curate.storage import Storage
from shared.formats.voc import write_voc
from tests.pictures import draw
from tests.world import Killed, World

BOXES = {"nut": (0.1, 0.2, 0.3, 0.4), "bolt": (0.5, 0.25, 0.5, 0.75)}


def run(world: World, *arguments: object) -> int:
    """Run a verb on the world's storage."""
    return main([str(one) for one in arguments], opener=lambda _: Storage(world.training, world.registry_blobs))


def files(root: Path, contents: dict[str, bytes | str]) -> Path:
    for path, content in contents.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def pictures(names: Iterable[str]) -> dict[str, bytes | str]:
    return {name: draw(number, size=(120, 90)) for number, name in enumerate(names)}


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return the object on the last line."""
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def classified(world: World) -> World:
    """A dataset whose folders are labels."""
    world.drop_pictures("parts", "nut", range(6))
    world.drop_pictures("parts", "Schlüssel groß", range(10, 16))
    return world


@pytest.fixture
def boxed(world: World) -> World:
    """A dataset with boxes, one picture that shows nothing, and one without labels."""
    regions = list(BOXES.items())
    for number in range(4):
        lines = "".join(
            f"{at} {left + width / 2} {top + height / 2} {width} {height}\n"
            for at, (_, (left, top, width, height)) in enumerate(regions[: 1 + number % 2])
        )
        world.drop(f"parts/images/day {number % 2}/{number}.jpg", draw(number, size=(117, 83)))
        world.drop(f"parts/images/day {number % 2}/{number}.txt", lines.encode())
    world.drop("parts/images/nothing.jpg", draw(8))
    world.drop("parts/images/nothing.txt", b"")
    world.drop("parts/images/unlabelled.jpg", draw(9))
    world.drop("parts/images/classes.txt", b"nut\nbolt\n")
    return world


def in_pixels(world: World, dataset: str) -> dict[str, list[tuple[str, list[float]]]]:
    """Return path below images/ → labels and boxes; a label of the whole picture is a box of it."""
    sizes = {image["file_name"]: (image["width"], image["height"]) for image in world.live(dataset)["images"]}
    return {
        path.removeprefix(f"{dataset}/images/"): sorted(
            (label, [share * sizes[path][at % 2] for at, share in enumerate(box or (0, 0, 1, 1))])
            for label, box in labels
        )
        for path, labels in world.labels(dataset).items()
    }


@pytest.mark.parametrize("form", ["coco", "yolo", "voc"])
@pytest.mark.parametrize("kind", ["classified", "boxed"])
def test_what_is_exported_and_imported_again_is_the_same(
    form: str, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    world: World = request.getfixturevalue(kind)
    assert run(world, "export", "training/parts", "--format", form, "--to", tmp_path / "one", "--pictures") == 0
    assert run(world, "import", tmp_path / "one", "training/again") == 0
    world.reconcile()
    assert run(world, "export", "training/again", "--format", form, "--to", tmp_path / "two", "--pictures") == 0
    one, two = in_pixels(world, "parts"), in_pixels(world, "again")
    one.pop("unlabelled.jpg", None)
    assert two.keys() == one.keys()
    for path, labels in one.items():
        assert [label for label, _ in two[path]] == [label for label, _ in labels]
        for (_, mine), (_, theirs) in zip(labels, two[path], strict=True):
            assert theirs == pytest.approx(mine, abs=0.5)
    written = {p.relative_to(tmp_path / "one"): p.read_bytes() for p in (tmp_path / "one").rglob("*") if p.is_file()}
    assert {p.relative_to(tmp_path / "two") for p in (tmp_path / "two").rglob("*") if p.is_file()} == written.keys()
    if kind == "classified" or form == "coco":
        assert all((tmp_path / "two" / path).read_bytes() == data for path, data in written.items())
    if kind == "classified" and form == "coco":
        assert {tuple(labels) for labels in world.labels("again").values()} == {
            (("nut", None),),
            (("Schlüssel groß", None),),
        }


def test_label_folders_are_uploaded_with_their_content_type_and_folded(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    types = {}
    write = world.training.write

    def noting(path: str, data: bytes, **more: Any) -> str:
        types[path] = more.get("content_type")
        return write(path, data, **more)

    world.training.write = noting  # type: ignore[method-assign]
    source = files(tmp_path, {**pictures(["nut/a.jpg", "nut/deep/b.png", "bolt/c.jpg"]), "META.json": "{}"})
    assert run(world, "import", source, "training/parts", "--json") == 0
    facts = said(capsys)
    assert (facts["layout"], facts["labels"], facts["uploaded"]) == ("folders", {"bolt": 1, "nut": 2}, 3)
    assert types["parts/images/nut/a.jpg"] == "image/jpeg"
    assert types["parts/images/nut/deep/b.png"] == "image/png"
    world.reconcile()
    assert {path: labels[0][0] for path, labels in world.labels().items()} == {
        "parts/images/bolt/c.jpg": "bolt",
        "parts/images/nut/a.jpg": "nut",
        "parts/images/nut/deep/b.png": "nut",
    }


def test_what_cannot_be_used_is_left_out_and_told_and_the_rest_is_uploaded(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = {"nut/broken.jpg": draw(5)[:700], "nut/text.jpg": b"text", "loose.jpg": draw(6), "nut/dot.png": b""}
    source = files(tmp_path, {**pictures(["nut/a.jpg", "bolt/b.jpg"]), **bad})
    assert run(world, "import", source, "training/parts", "--json") == 1
    facts = said(capsys)
    assert facts["uploaded"] == 2
    assert {Path(finding["place"]).name for finding in facts["findings"]} == {
        "broken.jpg",
        "text.jpg",
        "loose.jpg",
        "dot.png",
    }
    assert sorted(world.training.blobs) == ["parts/images/bolt/b.jpg", "parts/images/nut/a.jpg"]


def test_a_dry_run_writes_nothing(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = files(tmp_path, pictures(["nut/a.jpg", "bolt/b.jpg"]))
    assert run(world, "import", source, "training/parts", "--dry-run", "--json") == 0
    assert said(capsys)["blobs"] == 2
    assert world.training.blobs == {}


@pytest.mark.parametrize("killed_at", [0, 1, 3, 7])
def test_an_import_that_was_killed_goes_on_where_it_stood(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], killed_at: int
) -> None:
    source = files(tmp_path, pictures(f"nut/{n}.jpg" for n in range(9)))
    left = [killed_at]

    def kill(_: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    world.before_writes(kill)
    with pytest.raises(Killed):
        run(world, "import", source, "training/parts")
    done = len(world.training.blobs)
    assert done < 9
    etags = {path: blob.properties.etag for path, blob in world.training.blobs.items()}
    world.before_writes(lambda _: None)
    assert run(world, "import", source, "training/parts", "--json") == 0
    facts = said(capsys)
    assert (facts["uploaded"], facts["skipped"]) == (9 - done, done)
    assert all(world.training.blobs[path].properties.etag == etag for path, etag in etags.items())
    state = world.state()
    assert run(world, "import", source, "training/parts") == 0
    assert world.state() == state


@pytest.mark.parametrize(("theirs", "status"), [(draw(0, size=(120, 90)), 0), (draw(9), 1)], ids=["same", "other"])
def test_what_somebody_else_uploads_meanwhile_stays(world: World, tmp_path: Path, theirs: bytes, status: int) -> None:
    def overtake(path: str) -> None:
        world.before_writes(lambda _: None)
        world.training.write(path, theirs)

    world.before_writes(overtake)
    assert run(world, "import", files(tmp_path, pictures(["nut/a.jpg"])), "training/parts") == status
    assert world.training.read("parts/images/nut/a.jpg").data == theirs


def test_a_blob_of_the_same_name_and_other_content_stands_in_the_way_until_it_is_to_be_replaced(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = files(tmp_path, pictures(["nut/a.jpg", "bolt/b.jpg"]))
    world.training.write("parts/images/nut/a.jpg", draw(99))
    assert run(world, "import", source, "training/parts") == 1
    assert "'parts/images/nut/a.jpg'" in capsys.readouterr().err
    assert list(world.training.blobs) == ["parts/images/nut/a.jpg"]
    assert run(world, "import", source, "training/parts", "--replace") == 0
    assert world.training.read("parts/images/nut/a.jpg").data == (source / "nut/a.jpg").read_bytes()


def test_two_files_for_one_place_are_a_clash(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    contents = {**pictures(["images/nut/a.jpg", "nut/a.jpg"])}
    assert run(world, "import", files(tmp_path, contents), "training/parts") == 1
    assert "goes to 'parts/images/nut/a.jpg', where" in capsys.readouterr().out
    assert len(world.training.blobs) == 1


def coco(
    names: Iterable[str], *, box: list[float] | None = None, url: Callable[[str], str] | None = None
) -> dict[str, Any]:
    listed = list(names)
    images = [{"id": n, "file_name": name, "width": 120, "height": 90} for n, name in enumerate(listed)]
    for record in images:
        record.update({"absolute_url": url(record["file_name"])} if url else {})
    notes = [{"id": n, "image_id": n, "category_id": 5, **({"bbox": box} if box else {})} for n in range(len(listed))]
    return {"images": images, "annotations": notes, "categories": [{"id": 5, "name": "nut"}]}


@pytest.mark.parametrize(
    ("names", "local", "places"),
    [
        (["a.jpg", "b.jpg"], ["images/a.jpg", "images/b.jpg"], ["a.jpg", "b.jpg"]),
        (["a.jpg"], ["a.jpg"], ["a.jpg"]),
        (["train/a.jpg", "val/a.jpg"], ["images/train/a.jpg", "images/val/a.jpg"], ["train/a.jpg", "val/a.jpg"]),
        (["images/a.jpg"], ["images/a.jpg"], ["a.jpg"]),
        (["9f2"], ["images/9f2.jpg"], ["9f2"]),  # a Custom Vision export
        (["9f2"], ["images/9f2"], ["9f2"]),
    ],
)
@pytest.mark.parametrize("as_file", [True, False])
def test_a_coco_file_finds_its_pictures_here_and_there(
    world: World, tmp_path: Path, names: list[str], local: list[str], places: list[str], as_file: bool
) -> None:
    source = files(tmp_path, {**pictures(local), "set.json": json.dumps(coco(names, box=[12, 9, 60, 45]))})
    assert run(world, "import", source / "set.json" if as_file else source, "training/parts") == 0
    assert world.training.read("parts/annotations/set.json").data == (source / "set.json").read_bytes()
    world.reconcile()
    assert world.labels() == {f"parts/images/{place}": [("nut", [0.1, 0.1, 0.5, 0.5])] for place in places}


def test_pictures_that_a_coco_file_names_and_that_are_missing_or_of_another_shape_are_told(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = coco(["a.jpg", "b.jpg", "c.jpg"], box=[12, 9, 60, 45])
    contents = {**pictures(["images/a.jpg"]), "images/c.jpg": draw(3, size=(90, 120)), "extra.jpg": draw(4)}
    source = files(tmp_path, {**contents, "set.json": json.dumps(document, indent=1)})
    assert run(world, "import", source, "training/parts") == 1
    out = capsys.readouterr().out
    assert "image 1: 'b.jpg': is not among the pictures" in out
    assert "image 2: the file says 120 x 90 pixels, the picture is 90 x 120" in out
    assert "ignored: 1 file" in out
    assert sorted(world.training.blobs) == ["parts/annotations/set.json", "parts/images/a.jpg"]


def test_a_coco_file_speaks_of_its_own_pictures_whatever_else_has_their_name(world: World, tmp_path: Path) -> None:
    world.drop("parts/images/new/a.jpg", draw(50))
    source = files(tmp_path, {**pictures(["a.jpg"]), "set.json": json.dumps(coco(["a.jpg"]))})
    assert run(world, "import", source, "training/parts") == 0
    world.reconcile()
    assert {path: bool(labels) for path, labels in world.labels().items()} == {
        "parts/images/a.jpg": True,
        "parts/images/new/a.jpg": True,
    }


def yolo(**more: str) -> dict[str, bytes | str]:
    return {
        **pictures(["images/a.jpg", "images/b.jpg"]),
        "labels/a.txt": "1 0.5 0.5 0.2 0.2\n",
        "classes.txt": "bolt\nnut\n",
        **more,
    }


def test_yolo_pictures_without_labels_are_left_out_unless_they_are_background(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = files(tmp_path, yolo())
    assert run(world, "import", source, "training/parts") == 1
    assert "--background" in capsys.readouterr().out
    assert "parts/images/b.jpg" not in world.training.blobs
    assert run(world, "import", source, "training/parts", "--background") == 0
    world.reconcile()
    assert world.labels() == {"parts/images/a.jpg": [("nut", [0.4, 0.4, 0.2, 0.2])], "parts/images/b.jpg": []}
    assert world.status()["problemCount"] == 0


def test_yolo_labels_that_cannot_be_used_are_told_by_line(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = files(tmp_path, yolo(**{"labels/b.txt": "0 0.5 0.5 0.2 0.2\n7 0.5 0.5 0.2 0.2\n0 nan 0.5 0.2 0.2\n"}))
    assert run(world, "import", source, "training/parts") == 1
    out = capsys.readouterr().out
    assert f"{source / 'labels/b.txt'}:3:" in out
    assert "class 7" in out
    assert "parts/images/b.jpg" in world.training.blobs


def test_yolo_without_a_list_of_classes_is_refused(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contents = yolo()
    del contents["classes.txt"]
    assert run(world, "import", files(tmp_path, contents), "training/parts") == 1
    assert "no list of their classes" in capsys.readouterr().err


def test_another_list_of_classes_does_not_slip_under_labels_that_are_there(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.drop("parts/images/classes.txt", b"cat\n")
    assert run(world, "import", files(tmp_path, yolo()), "training/parts") == 1
    assert "'parts/images/classes.txt'" in capsys.readouterr().err


def test_the_layout_of_a_mixture_can_be_given(world: World, tmp_path: Path) -> None:
    xml = write_voc(filename="a.jpg", size=(120, 90), regions=())
    source = files(tmp_path, {**yolo(**{"labels/b.txt": ""}), "Annotations/a.xml": xml})
    assert run(world, "import", source, "training/parts") == 1
    assert run(world, "import", source, "training/parts", "--layout", "yolo") == 0


def test_lint_of_a_dataset_tells_counts_advice_and_findings(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(12):
        world.drop(f"parts/images/nut/{number}.jpg", draw(number, size=(64, 64)))
        world.drop(f"parts/images/bolt/{number}.jpg", draw(100 + number, size=(60 + 4 * number, 64)))
    world.drop("parts/images/nut/copy.jpg", draw(3, size=(64, 64)))
    world.drop("parts/images/bolt/conflict.jpg", draw(4, size=(64, 64)))
    world.drop("parts/images/bolt/text.jpg", b"text")
    world.drop("parts/annotations/set.json", b"{}")
    state = world.state()
    assert run(world, "lint", "training/parts", "--json") == 1
    facts = said(capsys)
    assert world.state() == state
    assert (facts["kind"], facts["pictures"]) == ("classification", 26)
    nut = next(row for row in facts["labels"] if row["label"] == "nut")
    assert (nut["train"] + nut["test"], nut["copies"]) == (11, 1)
    places = [finding["place"] for finding in facts["findings"]]
    assert places == [
        "parts/annotations/set.json",
        "parts/images/bolt/conflict.jpg",
        "parts/images/bolt/text.jpg",
        "parts/images/nut/4.jpg",
    ]
    assert all(finding["reason"] for finding in facts["findings"])


def test_lint_advises_other_pictures_when_all_are_alike(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(12):
        world.drop(f"parts/images/nut/{number}.png", flat(number))
    assert run(world, "lint", "training/parts") == 0
    assert "advice: all 12 pictures of 'nut' have the same size and light" in capsys.readouterr().out


def flat(number: int) -> bytes:
    picture = Image.new("L", (64, 64), 100)
    picture.putpixel((number, 0), 0)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def test_lint_of_a_mixed_dataset_says_why_its_kind_is_not_clear(
    boxed: World, capsys: pytest.CaptureFixture[str]
) -> None:
    boxed.drop("parts/images/nut/1.jpg", draw(30))
    assert run(boxed, "lint", "training/parts", "--json") == 1
    facts = said(capsys)
    assert facts["kind"] is None
    assert any("not clear what to train" in finding["reason"] for finding in facts["findings"])


@pytest.mark.parametrize(
    ("before", "words"),
    [({}, "there is no dataset 'parts'"), ({"parts/images/nut/1.jpg": b"1"}, "has not seen them yet")],
)
def test_lint_of_a_dataset_without_a_coco_file_says_why(
    world: World, before: dict[str, bytes], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, data in before.items():
        world.training.write(path, data)
    assert run(world, "lint", "training/parts") == 2
    assert words in capsys.readouterr().err


def test_an_export_goes_into_an_empty_folder_or_by_force_and_fetches_nothing_twice(
    classified: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("export", "training/parts", "--format", "coco", "--to", tmp_path, "--pictures", "--json")
    (tmp_path / "mine.txt").write_text("mine")
    assert run(classified, *arguments) == 1
    assert "is not empty" in capsys.readouterr().err
    assert run(classified, *arguments, "--force") == 0
    assert said(capsys)["downloaded"] == 12
    (tmp_path / "images/nut/0.jpg").write_bytes(b"half")
    assert run(classified, *arguments, "--force") == 0
    facts = said(capsys)
    assert (facts["downloaded"], facts["skipped"]) == (1, 11)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["annotations.json", "images", "mine.txt"]


def test_a_picture_that_was_replaced_since_is_told_and_not_written(
    classified: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classified.training.write("parts/images/nut/0.jpg", draw(77))
    classified.training.delete("parts/images/nut/1.jpg")
    assert run(classified, "export", "training/parts", "--format", "voc", "--to", tmp_path, "--pictures") == 1
    assert "parts/images/nut/0.jpg: was replaced" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "images/nut").iterdir()) == [f"{n}.jpg" for n in range(2, 6)]


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("nut/1.jpg", True),
        ("..jpg", True),
        ("../1.jpg", False),
        ("a/../../1.jpg", False),
        ("/etc/1.jpg", False),
        ("a//1.jpg", False),
        ("./1.jpg", False),
        ("a\\..\\1.jpg", False),
        ("C:/1.jpg", False),
        ("", False),
    ],
)
def test_only_paths_below_the_folder_are_written(name: str, inside: bool) -> None:
    assert is_inside(name) is inside


def test_a_path_that_leaves_the_folder_is_refused(
    classified: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classified.drop("parts/images/nut/../../../evil.jpg", draw(40))
    assert run(classified, "export", "training/parts", "--format", "yolo", "--to", tmp_path / "to", "--pictures") == 1
    assert "could leave the folder" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["to"]


def test_two_pictures_that_would_share_a_label_file_are_told(
    classified: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classified.drop("parts/images/nut/0.png", draw(41, file_format="PNG"))
    assert run(classified, "export", "training/parts", "--format", "yolo", "--to", tmp_path) == 1
    assert "parts/images/nut/0.png: shares its file of labels" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("form", "lists"),
    [
        ("coco", {"train.json", "test.json"}),
        ("yolo", {"train.txt", "test.txt", "data.yaml"}),
        ("voc", {"ImageSets/Main/train.txt", "ImageSets/Main/test.txt"}),
    ],
)
def test_a_snapshot_is_exported_with_its_sides(classified: World, tmp_path: Path, form: str, lists: set[str]) -> None:
    classified.start()
    digest = classified.status()["training"]["version"].split(".")[1]
    classified.drop("parts/images/nut/later.jpg", draw(60))
    arguments = ("export", "training/parts", "--format", form, "--to", tmp_path, "--snapshot", digest, "--pictures")
    assert run(classified, *arguments) == 0
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert lists <= written
    assert len([path for path in written if path.startswith("images/")]) == 12
    if form == "coco":
        documents = [json.loads((tmp_path / name).read_text()) for name in lists]
        assert sum(len(document["images"]) for document in documents) == 12
        assert sum(len(document["annotations"]) for document in documents) == 12


@pytest.mark.parametrize("digest", ["latest", "0123456789ab"])
def test_a_snapshot_that_is_none_is_told(
    classified: World, tmp_path: Path, digest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("export", "training/parts", "--format", "coco", "--to", tmp_path / "to", "--snapshot", digest)
    assert run(classified, *arguments) == 1
    assert "/api/status names those of versions" in capsys.readouterr().err
