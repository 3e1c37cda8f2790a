"""The demo's walk against a product whose answers a test writes."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from devhost.console import Console
from devhost.demo_access import AccessError, UnusablePictureError
from devhost.demo_pictures import Collection, LabelledPicture
from devhost.demo_report import Answer, Outcome
from devhost.demo_walk import Clock, Walk, WalkError

VERSION = "parts.0123456789ab.1"
LABELS = [
    {"label": "bolt", "train": 4, "test": 1, "needed": 0},
    {"label": "nut", "train": 5, "test": 0, "needed": 0},
    {"label": "washer", "train": 2, "test": 0, "needed": 3},
]


def picture(name: str) -> LabelledPicture:
    return LabelledPicture(Path("unread") / name, name.split("/")[0], name, name)


COLLECTION = Collection(
    uploaded=tuple(picture(f"{label}/{number}.jpg") for label in ("bolt", "nut") for number in range(5)),
    held_out=(picture("bolt/8.jpg"), picture("nut/8.jpg")),
    too_small={},
)


def status(state: str | None, *, reasons: Sequence[str] = (), **changes: Any) -> Mapping[str, Any]:
    version = {"version": VERSION, "state": state, "reason": "", "trainPictures": 9, "testPictures": 1, **changes}
    champion = {"version": VERSION, "snapshot": "0123456789ab", "reason": "first version"}
    return {
        "kind": "classification",
        "pictures": 12,
        "labels": LABELS,
        "decision": {"go": False, "reasons": list(reasons)},
        "problems": [],
        "versions": [version] if state else [],
        "champion": champion if state == "promoted" else None,
    }


class ScriptedProduct:
    """Folds two pictures each time it is read, and goes through `statuses`, the last of which stays.

    Attributes:
        asked: How often the status was read. It is the walk's clock: only a script without end runs out of time.
    """

    folder = "parts/images/"

    def __init__(self, *statuses: Mapping[str, Any], broken: Sequence[str] = (), problem: str = "") -> None:
        self.uploaded: list[str] = []
        self.asked = 0
        self._folded = 0
        self._statuses = list(statuses)
        self._broken = broken
        self._problem = problem

    def upload(self, picture: LabelledPicture) -> None:
        if picture.name in self._broken:
            raise AccessError(f"{picture.name} could not be uploaded: disk full")
        self.uploaded.append(picture.name)

    def live_file(self) -> Mapping[str, Any]:
        self._folded += 2
        known = sorted(self.folder + name for name in self.uploaded)[: self._folded]
        problems = [{"path": path, "reason": "truncated"} for path in known if self._problem and self._problem in path]
        images = [{"file_name": path} for path in known if path not in [one["path"] for one in problems]]
        return {"images": images, "categories": [{"name": "bolt"}], "problems": problems}

    def status(self) -> Mapping[str, Any]:
        self.asked += 1
        return self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]

    def ask(self, picture: LabelledPicture) -> tuple[Answer, str]:
        if picture.name in self._broken:
            raise UnusablePictureError(f"{picture.name} cannot be used: truncated")
        return Answer(picture.name, picture.label, "bolt", 0.9), VERSION

    def advice(self, version: str) -> str:
        return f"add pictures to {version}"


def walk(product: ScriptedProduct) -> tuple[Outcome[Answer], Clock, str]:
    clock = Clock(deadline=20, now=lambda: float(product.asked), pause=lambda: None)
    stream = io.StringIO()
    outcome = Walk(product, COLLECTION, clock=clock, console=Console(stream)).run()
    return outcome, clock, stream.getvalue()


def test_the_walk_goes_through_every_hop_and_times_it() -> None:
    product = ScriptedProduct(
        status(None, reasons=["label 'washer' has 2 of 5 pictures"]),
        status("registered"),
        status("training"),
        status("evaluating"),
        status("evaluating"),
        status("promoted"),
    )
    outcome, clock, log = walk(product)
    assert sorted(product.uploaded) == [one.name for one in COLLECTION.uploaded]
    assert (outcome.version, outcome.snapshot) == (VERSION, "0123456789ab")
    assert [(one.picture, one.right) for one in outcome.answers] == [("bolt/8.jpg", True), ("nut/8.jpg", False)]
    assert outcome.advice == f"add pictures to {VERSION}"
    assert list(clock.seconds) == ["upload", "fold", "threshold", "train", "promote", "predict"]
    told = ["uploaded 10", "COCO file has 10 pictures (bolt)", "threshold met: bolt 5, nut 5", f"training {VERSION}"]
    told += ["trained on 9 pictures; judged on 1 others", f"promoted {VERSION}: first version"]
    assert [line for line in told if line not in log] == []


def test_a_version_of_a_part_of_the_pictures_is_not_the_one_that_is_waited_for() -> None:
    early = status("promoted", trainPictures=5, testPictures=1, version="parts.000000000000.1")
    outcome, _, _ = walk(ScriptedProduct(early, early, status("promoted")))
    assert outcome.version == VERSION


def test_a_picture_with_several_labels_is_counted_once_where_boxes_are_learnt() -> None:
    counted_twice = {"kind": "detection", "pictures": 10}
    outcome, _, _ = walk(ScriptedProduct({**status("promoted", trainPictures=8, testPictures=2), **counted_twice}))
    assert outcome.version == VERSION


@pytest.mark.parametrize("state", ["rejected", "failed", "timedOut", "cancelled"])
def test_a_version_that_is_not_promoted_ends_the_walk_with_its_reason(state: str) -> None:
    with pytest.raises(WalkError, match=f"{VERSION} ended {state}: worse than before"):
        walk(ScriptedProduct(status(state, reason="worse than before")))


def test_a_hop_that_hangs_is_named_with_what_status_says() -> None:
    waiting = status(None, reasons=["label 'nut' has 2 of 5 pictures"])
    with pytest.raises(WalkError, match=r"hop 'threshold' did not end in time.*label 'nut' has 2 of 5 pictures"):
        walk(ScriptedProduct(waiting))


def test_a_product_that_does_not_answer_is_said_to_be_silent() -> None:
    with pytest.raises(WalkError, match=r"hop 'threshold'.*does not answer"):
        walk(ScriptedProduct({}))


def test_a_picture_that_cannot_be_used_is_named_and_does_not_stop_the_walk() -> None:
    product = ScriptedProduct(status("promoted"), broken=["nut/8.jpg"], problem="bolt/3")
    outcome, _, log = walk(product)
    assert [one.picture for one in outcome.answers] == ["bolt/8.jpg"]
    assert "nut/8.jpg cannot be used: truncated" in log
    assert "parts/images/bolt/3.jpg cannot be used: truncated" in log


def test_nothing_to_predict_is_a_failure() -> None:
    with pytest.raises(WalkError, match="nothing was predicted"):
        walk(ScriptedProduct(status("promoted"), broken=["nut/8.jpg", "bolt/8.jpg"]))


def test_a_failed_upload_ends_the_walk() -> None:
    with pytest.raises(AccessError, match=r"nut/2\.jpg could not be uploaded: disk full"):
        walk(ScriptedProduct(status(None), broken=["nut/2.jpg"]))
