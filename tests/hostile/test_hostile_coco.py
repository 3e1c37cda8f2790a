"""Annotation files that mean harm: the job ends with the right code, leaks nothing, asks nobody it may not."""

import json
from pathlib import Path

import pytest

from tests.engine_support import PictureStore, draw_part, engine_in_process
from tests.hostile.pictures import flood_png, many_scans

SAS = "sv=1&sig=TOPSECRET"


def coco(url: str, *, annotations: str = "", name: str = '"bolt"') -> bytes:
    """A COCO file of four pictures of two labels, all at one URL but for the query, with more text where it says."""
    numbers = range(1, 5)
    images = [
        {"id": number, "width": 80, "height": 64, "file_name": f"{number}", "absolute_url": f"{url}?n={number}"}
        for number in numbers
    ]
    notes = ",".join(f'{{"id":{number},"image_id":{number},"category_id":{1 + number % 2}}}' for number in numbers)
    categories = f'[{{"id":1,"name":{name}}},{{"id":2,"name":"nut"}}]'
    return f'{{"images":{json.dumps(images)},"annotations":[{notes}{annotations}],"categories":{categories}}}'.encode()


def files(store: PictureStore) -> dict[str, bytes]:
    """Hostile annotation files by name; each is expected to be datasetCorrupt."""
    good = store.put("good.jpg", draw_part("bolt", 1))
    stored = {name: store.put(name, make()) for name, make in (("flood.png", flood_png), ("scans.jpg", many_scans))}
    return {
        "deep": b'{"images":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "deep-unknown": b'{"x":' + b'{"a":' * 100_000,
        "not-json": b"<xml/>",
        "empty": b"",
        "binary": bytes(range(256)) * 100,
        "wrong-shape": b'{"images":{},"annotations":1,"categories":"a"}',
        "huge-ids": coco(good, annotations=',{"id":' + "9" * 5_000 + ',"image_id":1,"category_id":1}'),
        "many-annotations": coco(good, annotations=',{"id":9,"image_id":1,"category_id":1}' * 100_000),
        "no-number": coco(good, annotations=',{"id":NaN,"image_id":1,"category_id":1}'),
        "half-a-surrogate": coco(good, name='"\\ud800"'),
        "file-url": coco("file:///etc/passwd"),
        "private-url": coco("http://169.254.169.254/latest/meta-data"),
        "private-in-other-words": coco("http://2130706433/a"),
        "user-url": coco(store.url("good.jpg").replace("http://", "http://user@")),
        "flood": coco(stored["flood.png"]),
        "scans": coco(stored["scans.jpg"]),
    }


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_each_hostile_annotation_file_ends_its_job_with_the_right_code(tmp_path: Path) -> None:
    with PictureStore() as store, engine_in_process(tmp_path / "data", store.host, workers=2) as engine:
        names = files(store)
        for name, content in names.items():
            engine.register(name, store.put(f"{name}.json", content))
            engine.train(name, name)
        ended = {name: engine.wait(f"models/{name}") for name in names}
        errors = {name: model.get("error", {}) for name, model in ended.items()}
        assert {name: error for name, error in errors.items() if error.get("code") != "datasetCorrupt"} == {}
        assert [word for word in (str(tmp_path), "root:", "Traceback") if word in str(errors)] == []
        assert max(len(str(error)) for error in errors.values()) < 30_000


def test_a_picture_on_another_host_or_in_another_container_never_gets_the_sas(tmp_path: Path) -> None:
    with PictureStore() as store, PictureStore() as thief:
        hosts = f"{store.host}, {thief.host}"
        with engine_in_process(tmp_path / "data", hosts, workers=2) as engine:
            places = (thief.put("account/c/a.jpg", b"x"), store.put("account/other/a.jpg", b"x"))
            for number, url in enumerate(places):
                uri = store.put(f"account/c/{number}.json", coco(url))
                engine.register(f"d{number}", uri, sas=SAS)
                engine.train(f"m{number}", f"d{number}")
                assert "TOPSECRET" not in str(engine.wait(f"models/m{number}"))
        targets = [target for place in (store, thief) for target, _ in place.requests]
        assert {target for target in targets if "TOPSECRET" in target} == {f"/account/c/{n}.json?{SAS}" for n in (0, 1)}
        assert {"/account/c/a.jpg?n=1", "/account/other/a.jpg?n=1"} <= set(targets)
