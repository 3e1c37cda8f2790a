"""Predicts with trained models: in as many threads as there are cores, from models that are loaded when asked for."""

import asyncio
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from engine.artifacts import classifier_path
from engine.errors import NotFoundError, NotReadyError, TooBusyError
from engine.images import PREDICTION, decode_picture
from engine.learn.backbone import Backbone
from engine.learn.classifier import Classifier
from engine.learn.errors import ClassifierFileError
from engine.loaded import Loaded, LoadedModels
from engine.orders import JobPlace
from engine.records import Model, Status
from engine.store import Store

MOST_WAITING = 1_000  # calls; about ten seconds' work of two cores
MOST_WAITING_BYTES = 268_435_456  # of their pictures
RETRY_SECONDS = 5  # what a caller is told that finds the line full

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says of a picture.

    Attributes:
        width: Of the picture as submitted, in pixels, upright.
        height: Likewise.
        tags: (label, confidence) of every label, most confident first. Confidences sum to 1, but those of a
            multi-label model, which say of each label by itself how likely it is.
    """

    width: int
    height: int
    tags: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """How many calls may wait, and with how many bytes of pictures."""

    calls: int = MOST_WAITING
    size: int = MOST_WAITING_BYTES


class Predictor:
    """Predicts in threads of its own, one a core: first come, first served. Call `close` at the end.

    Decoding, resizing and the network leave the interpreter to others, so that threads keep every core busy; more of
    them would only share its cache. A thread takes the next picture from the line by itself, without a turn of the
    event loop in between.

    Attributes:
        threads: How many pictures are worked on at once.
    """

    def __init__(
        self, store: Store, place: JobPlace, backbone: Backbone, *, memory: int, line: Line | None = None
    ) -> None:
        """Takes where models are found.

        Args:
            store: Knows the models' states.
            place: Where their files lie.
            backbone: The engine's.
            memory: Bytes that loaded models may take.
            line: How many calls may wait; a thousand when absent.
        """
        self._store = store
        self._place = place
        self._backbone = backbone
        self._models = LoadedModels[Classifier](memory)
        self._line = line or Line()
        self._calls = self._bytes = 0  # that wait or are worked on; only the event loop counts
        self.threads = os.process_cpu_count() or 1
        self._threads = ThreadPoolExecutor(self.threads, "predict")

    def warm_up(self) -> None:
        """Decodes and embeds a blank picture, so that the first caller does not wait for what happens only once."""
        blank = BytesIO()
        Image.new("RGB", (64, 64)).save(blank, "JPEG")
        self._backbone.embed(decode_picture(blank.getvalue(), PREDICTION).pixels)

    def close(self) -> None:
        """Ends the threads when they have done what they do now; nothing that waits is begun."""
        self._threads.shutdown(cancel_futures=True)

    def forget(self, model: Model) -> None:
        """Frees the memory of a model that was deleted."""
        self._models.drop(model.id)

    async def predict(self, model_name: str, content: bytes) -> Prediction:
        """Predicts the labels of a picture.

        Args:
            model_name: Of a succeeded model.
            content: The picture's bytes, in any format that `engine.images` reads.

        Raises:
            NotFoundError: There is no such model.
            NotReadyError: It cannot predict now; the message says why.
            PictureError: The picture cannot be used.
            TooBusyError: Too many calls wait already.
        """
        with self._in_line(len(content)):
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._predict, model_name, content)

    @contextmanager
    def _in_line(self, size: int) -> Iterator[None]:
        """Counts a call while it waits and is worked on."""
        if self._calls >= self._line.calls or self._bytes + size > self._line.size:
            raise TooBusyError(
                f"{self._calls} calls with {self._bytes} bytes wait for an answer already. "
                f"Try again after {RETRY_SECONDS} seconds.",
                retry_seconds=RETRY_SECONDS,
            )
        self._calls += 1
        self._bytes += size
        try:
            yield
        finally:
            self._calls -= 1
            self._bytes -= size

    def _predict(self, model_name: str, content: bytes) -> Prediction:
        return prediction_of(content, self._backbone, self._classifier(model_name))

    def _classifier(self, model_name: str) -> Classifier:
        model = self._store.models.find(model_name)
        if model is None:
            raise NotFoundError(f"Resource not found: there is no model '{model_name[:255]}'.")
        if model.status is not Status.SUCCEEDED:
            raise NotReadyError(f"Model '{model_name}' is {model.status}; only a succeeded model predicts.")
        classifier = self._models.get(model.id, lambda: self._load(model))
        if classifier.backbone_digest != self._backbone.digest:
            raise NotReadyError(
                f"Model '{model_name}' was trained with another backbone ({classifier.backbone_digest[:12]}) than the "
                f"engine has now ({self._backbone.name}, {self._backbone.digest[:12]}). Train it again, or start the "
                "engine with its backbone (ENGINE_BACKBONE).",
                code="ModelBackboneMismatch",
            )
        return classifier

    def _load(self, model: Model) -> Loaded[Classifier]:
        path = classifier_path(self._place.model(model.name))
        try:
            classifier = Classifier.load(path)
            return Loaded(classifier, path.stat().st_size)  # its arrays lie in the file as they do in memory
        except (ClassifierFileError, OSError) as exc:
            _log.exception("The files of model '%s' cannot be read.", model.name)
            raise NotReadyError(
                f"The files of model '{model.name}' cannot be read. Train it again.", code="ModelUnreadable"
            ) from exc


def prediction_of(content: bytes, backbone: Backbone, classifier: Classifier) -> Prediction:
    """Predicts the labels of one picture; this is all that the engine computes for an answer.

    Args:
        content: The picture's bytes, in any format that `engine.images` reads.
        backbone: The one that the classifier was trained with.
        classifier: What to ask.

    Raises:
        PictureError: The picture cannot be used.
    """
    picture = decode_picture(content, PREDICTION)
    features = backbone.embed(picture.pixels)
    confidences = classifier.predict(features[np.newaxis])[0]
    tags = sorted(zip(classifier.labels, confidences.tolist(), strict=True), key=lambda tag: (-tag[1], tag[0]))
    return Prediction(picture.width, picture.height, tuple(tags))
