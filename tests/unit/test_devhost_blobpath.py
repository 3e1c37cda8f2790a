"""Blob path patterns, as greedy as the host's."""

import pytest

from devhost.blobpath import parse_blob_path
from devhost.errors import AppError

PICTURES = "training/{dataset}/images/{name}"


@pytest.mark.parametrize(
    ("template", "path", "captured"),
    [
        (PICTURES, "training/parts/images/nut/1.png", {"dataset": "parts", "name": "nut/1.png"}),
        (PICTURES, "training/a/images/images/x.png", {"dataset": "a/images", "name": "x.png"}),
        (PICTURES, "training/a/b/images/x", {"dataset": "a/b", "name": "x"}),
        (PICTURES, "training/parts/coco/live.json", None),
        (PICTURES, "registry/parts/images/x.png", None),
        (PICTURES, "training/images/x.png", None),
        (PICTURES, "training/parts/images/", {"dataset": "parts", "name": ""}),
        ("training/{a}.{b}", "training/x.y.z", {"a": "x.y", "b": "z"}),
        ("training/{{x}}/{name}", "training/{x}/1", {"name": "1"}),
        ("training", "training/any/thing", {}),
        ("training", "training/", None),
        ("training/fixed.txt", "training/fixed.txt", {}),
        ("training/fixed.txt", "training/fixedxtxt", None),
    ],
)
def test_a_pattern_captures_as_much_as_it_can_from_the_left(template: str, path: str, captured: dict[str, str] | None):
    assert parse_blob_path(template).match(path) == captured


def test_the_prefix_narrows_what_is_listed() -> None:
    assert parse_blob_path("training/a/b{name}.png").prefix == "a/b"
    assert parse_blob_path(PICTURES).prefix == ""
    assert parse_blob_path("training/fixed.txt").prefix == "fixed.txt"


@pytest.mark.parametrize("template", ["{container}/x", "", "/", "training/{name", "training/{a}/{a}", "Training/x"])
def test_a_pattern_that_cannot_be_watched_is_refused(template: str):
    with pytest.raises(AppError, match="blob path"):
        parse_blob_path(template)
