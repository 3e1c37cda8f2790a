"""The predictor over a real store and real model files, with a backbone that a test can hold up."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.artifacts import classifier_path, detector_path
from engine.errors import NotFoundError, NotReadyError, TooBusyError
from engine.learn.classifier import fit_classifier
from engine.orders import JobPlace
from engine.predictor import Line, Predictor
from engine.records import AnnotationKind, Model, ModelKind, Status
from engine.served import ServedBackbones
from engine.store import Store
from engine.wire import answer_request_error
from tests.engine_support import draw_part
from tests.waiting import wait_until

LABELS = ("bolt", "nut", "washer")


class MeanColour:
    """Three features: the mean of each channel. Pictures wait while `go` is not set."""

    name, digest, width, default_head = "mean-colour", "0" * 64, 3, "lda"

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.began: list[int] = []

    def embed(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.began.append(picture.shape[1])
        self.go.wait(10)
        return picture.mean(axis=(0, 1)).astype(np.float32)

    def feature_maps(self, picture: NDArray[np.uint8]) -> dict[int, NDArray[np.float32]]:
        raise NotImplementedError


class Bench:
    """A predictor and what it works with."""

    def __init__(self, folder: Path, *, memory: int = 1_000_000, line: Line | None = None) -> None:
        self.store = Store(folder)
        self.place = JobPlace(folder, None, "")
        self.backbone = MeanColour()
        self.predictor = Predictor(self.store, self.place, ServedBackbones(self.backbone), memory=memory, line=line)

    def train(self, name: str, status: Status = Status.SUCCEEDED, *, kind: ModelKind = ModelKind.CLASSIFIER) -> Model:
        rng = np.random.default_rng(0)
        targets = np.repeat(np.arange(3), 4)
        colours = np.array([[200, 40, 40], [40, 160, 60], [50, 60, 200]])
        features = (colours[targets] + rng.normal(0, 9, (12, 3))).astype(np.float32)
        folder = self.place.model(name)
        folder.mkdir(parents=True)
        fit_classifier(features, targets, LABELS, backbone=self.backbone).classifier.save(classifier_path(folder))
        now = datetime(2026, 1, 5, tzinfo=UTC)
        return self.store.models.add(
            Model(
                name=name,
                kind=kind,
                annotation_kind=AnnotationKind.CLASSIFICATION,
                training_dataset="parts",
                test_dataset=None,
                budget_hours=1,
                created=now,
                updated=now,
                status=status,
            )
        )

    def ask(self, name: str, label: str = "nut") -> str:
        return asyncio.run(self.predictor.predict(name, draw_part(label, 1))).tags[0][0]

    def close(self) -> None:
        self.backbone.go.set()
        self.predictor.close()
        self.store.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, line=Line(calls=4, size=100_000))
    yield made
    made.close()


def test_a_model_names_what_it_sees_most_confident_first(bench: Bench) -> None:
    bench.train("parts")
    assert [bench.ask("parts", label) for label in LABELS] == list(LABELS)


def test_a_model_that_is_not_there_or_not_ready_is_refused(bench: Bench) -> None:
    bench.train("young", Status.TRAINING)
    with pytest.raises(NotFoundError, match="'gone'"):
        bench.ask("gone")
    with pytest.raises(NotReadyError, match="training"):
        bench.ask("young")


def test_a_detector_whose_file_is_torn_or_gone_is_refused_with_what_to_do(bench: Bench) -> None:
    bench.train("torn", kind=ModelKind.DETECTOR)
    detector_path(bench.place.model("torn")).write_bytes(b"PK torn")
    bench.train("gone", kind=ModelKind.DETECTOR)
    for name in ("torn", "gone"):
        with pytest.raises(NotReadyError, match=f"'{name}' cannot be read. Train it again") as refused:
            bench.ask(name)
        assert refused.value.code == "ModelUnreadable"


def test_more_models_than_fit_into_memory_all_answer(tmp_path: Path) -> None:
    bench = Bench(tmp_path, memory=1)
    names = [f"model-{number}" for number in range(3)]
    for name in names:
        bench.train(name)
    assert [bench.ask(name) for name in (*names, *names)] == ["nut"] * 6
    bench.close()


def test_a_model_that_was_deleted_and_trained_anew_answers_with_its_new_files(bench: Bench) -> None:
    old = bench.train("parts")
    bench.ask("parts")
    bench.store.models.remove("parts", lambda _: None)
    bench.predictor.forget(old)
    classifier_path(bench.place.model("parts")).unlink()
    bench.place.model("parts").rmdir()
    with pytest.raises(NotFoundError):
        bench.ask("parts")
    bench.train("parts")
    assert bench.ask("parts") == "nut"


def test_callers_beyond_the_line_are_told_when_to_come_back_and_those_in_it_are_answered(bench: Bench) -> None:
    bench.train("parts")
    bench.backbone.go.clear()
    picture = draw_part("nut", 1)

    async def crowd() -> tuple[list[str], TooBusyError]:
        waiting = [asyncio.create_task(bench.predictor.predict("parts", picture)) for _ in range(4)]
        await asyncio.sleep(0)  # lets each take its place
        with pytest.raises(TooBusyError, match="4 calls") as refused:
            await bench.predictor.predict("parts", picture)
        bench.backbone.go.set()
        return [(await one).tags[0][0] for one in waiting], refused.value

    answers, refusal = asyncio.run(crowd())
    assert answers == ["nut"] * 4
    answer = asyncio.run(answer_request_error(None, refusal))  # type: ignore[arg-type] # it looks at the error only
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")
    assert answer.headers["x-ms-error-code"] == "TooManyRequests"
    assert bench.ask("parts") == "nut"  # the line is empty again


def test_the_line_is_bounded_in_bytes_too(bench: Bench) -> None:
    bench.train("parts")
    with pytest.raises(TooBusyError):
        asyncio.run(bench.predictor.predict("parts", bytes(100_001)))


def test_calls_are_answered_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.train("parts")
    widths = list(range(60, 100))
    bench.backbone.go.clear()

    async def crowd() -> None:
        pictures = [draw_part("nut", 1, size=(width, 64)) for width in widths]
        waiting = [asyncio.create_task(bench.predictor.predict("parts", picture)) for picture in pictures]
        await asyncio.to_thread(wait_until, lambda: bench.backbone.began, "the first picture")
        bench.backbone.go.set()
        await asyncio.gather(*waiting)

    asyncio.run(crowd())
    bench.close()
    places = {width: place for place, width in enumerate(bench.backbone.began)}
    # Whoever begins has left behind only those that the other threads took before, and may be slow with.
    cores = bench.predictor.threads
    assert all(number - places[width] < cores for number, width in enumerate(widths))
