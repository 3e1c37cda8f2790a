"""The shelf of backbones: what lies on it, what is used, and what `up` and `demo` pass to the engine."""

import json
from pathlib import Path

import pytest

from backbones.errors import ShelfError, UsageError
from backbones.shelf import ROOT, VARIABLE, Shelf, is_name
from devhost.errors import ServiceError
from devhost.settings import backbone_settings


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path / "shelf")
    for name in ("one", "two"):
        (shelf.folder / name).mkdir(parents=True)
        (shelf.folder / name / "META.json").write_text("{}")
    (shelf.folder / ".adding-7").mkdir()
    (shelf.folder / "empty").mkdir()
    return shelf


def test_the_machines_shelf_is_in_the_data_folder_unless_the_environment_names_another() -> None:
    assert Shelf.of({}).folder == ROOT / ".darkroom" / "backbones"
    assert Shelf.of({VARIABLE: "/elsewhere"}).folder == Path("/elsewhere")


def test_a_shelf_that_is_not_there_has_what_is_built_in(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "none")
    assert (shelf.names, shelf.used, shelf.settings()) == ([], "builtin", {})
    shelf.use("handmade")
    assert shelf.settings() == {"ENGINE_BACKBONE": "handmade"}


def test_what_is_not_whole_does_not_lie_on_the_shelf(shelf: Shelf) -> None:
    assert shelf.names == ["one", "two"]


def test_what_is_used_is_passed_on_and_all_others_are_served(shelf: Shelf) -> None:
    one, two = (str(shelf.folder / name) for name in ("one", "two"))
    assert shelf.settings() == {"ENGINE_BACKBONES_SERVED": f"{one},{two}"}
    shelf.use("one + two")
    assert shelf.used == "one+two"
    assert shelf.settings()["ENGINE_BACKBONE"] == f"{one}+{two}"
    shelf.use("builtin")
    assert shelf.settings() == {"ENGINE_BACKBONES_SERVED": f"{one},{two},{one}+{two}"}


def test_a_joined_backbone_is_no_longer_served_when_a_part_is_gone(shelf: Shelf) -> None:
    shelf.use("one+two")
    shelf.use("builtin")
    (shelf.folder / "two" / "META.json").unlink()
    assert shelf.settings() == {"ENGINE_BACKBONES_SERVED": str(shelf.folder / "one")}


@pytest.mark.parametrize(("spec", "message"), [("three", "no backbone 'three'"), ("one+", "''"), ("one+one", "twice")])
def test_what_is_not_there_cannot_be_used(shelf: Shelf, spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        shelf.use(spec)
    assert shelf.used == "builtin"


@pytest.mark.parametrize("content", ["", "[]", '{"schema": 2, "use": "one"}'])
def test_a_choice_that_cannot_be_read_is_told_with_the_remedy(shelf: Shelf, content: str) -> None:
    (shelf.folder / "use.json").write_text(content)
    with pytest.raises(ShelfError, match=r"use\.json.*backbone use"):
        shelf.settings()


def test_a_folder_that_a_spec_could_not_name_is_refused(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "a+b")
    (shelf.folder / "one").mkdir(parents=True)
    (shelf.folder / "one" / "META.json").write_text("{}")
    with pytest.raises(UsageError, match=VARIABLE):
        shelf.resolved("one")


@pytest.mark.parametrize("name", ["mobilenet_v2", "DINOv2-small", "a.b", "x" * 64])
def test_letters_digits_and_some_signs_make_a_name(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name", ["", ".hidden", "a/b", "..", "a+b", "a,b", "a b", "x" * 65, "builtin", "handmade", "use.json"]
)
def test_other_texts_make_no_name(name: str) -> None:
    assert not is_name(name)


def test_up_and_demo_pass_on_what_was_chosen(shelf: Shelf) -> None:
    shelf.use("two")
    environment = {VARIABLE: str(shelf.folder)}
    assert backbone_settings(environment) == shelf.settings()
    assert backbone_settings(environment)["ENGINE_BACKBONE"] == str(shelf.folder / "two")


def test_the_callers_environment_comes_before_what_was_chosen(shelf: Shelf, tmp_path: Path) -> None:
    shelf.use("two")
    environment = {VARIABLE: str(shelf.folder), "ENGINE_BACKBONE": ""}
    assert backbone_settings(environment)["ENGINE_BACKBONE"] == ""
    environment["ENGINE_BACKBONE"] = f"one+{tmp_path}+handmade"
    settings = backbone_settings(environment)
    assert settings["ENGINE_BACKBONE"] == f"{shelf.folder / 'one'}+{tmp_path}+handmade"
    assert str(shelf.folder / "two") in settings["ENGINE_BACKBONES_SERVED"].split(",")
    environment["ENGINE_BACKBONES_SERVED"] = "mine"
    assert backbone_settings(environment)["ENGINE_BACKBONES_SERVED"] == "mine"


def test_a_backbone_that_is_gone_is_told_before_anything_starts(shelf: Shelf) -> None:
    environment = {VARIABLE: str(shelf.folder)}
    with pytest.raises(ServiceError, match="ENGINE_BACKBONE is nowhere"):
        backbone_settings(environment | {"ENGINE_BACKBONE": "nowhere"})
    (shelf.folder / "use.json").write_text(json.dumps({"schema": 1, "use": "gone"}))
    with pytest.raises(ServiceError, match="no backbone 'gone'"):
        backbone_settings(environment)
