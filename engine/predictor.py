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

from engine.artifacts import classifier_path, detector_path
from engine.errors import NotFoundError, NotReadyError, TooBusyError
from engine.images import PREDICTION, Picture, decode_picture
from engine.learn.backbone import Backbone
from engine.learn.classifier import Classifier
from engine.learn.detector import Detector, picture_maps
from engine.learn.errors import ClassifierFileError, DetectorFileError
from engine.loaded import Loaded, LoadedModels
from engine.objects import FoundObject, objects_of, told
from engine.orders import JobPlace
from engine.records import Model, ModelKind, Status
from engine.served import ServedBackbones, backbone_of_model
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
            multi-label model, which say of each label by itself how likely it is. None of a detector.
        objects: What a detector found, most confident first.
        unknown: How sure the model is, 0…1, that the picture is like none of its labels; None where it cannot tell.
    """

    width: int
    height: int
    tags: tuple[tuple[str, float], ...] = ()
    objects: tuple[FoundObject, ...] = ()
    unknown: float | None = None


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
        self, store: Store, place: JobPlace, backbones: ServedBackbones, *, memory: int, line: Line | None = None
    ) -> None:
        """Takes where models are found.

        Args:
            store: Knows the models' states.
            place: Where their files lie.
            backbones: The engine's.
            memory: Bytes that loaded models may take.
            line: How many calls may wait; a thousand when absent.
        """
        self._store = store
        self._place = place
        self._backbones = backbones
        self._models = LoadedModels[Classifier | Detector](memory)
        self._line = line or Line()
        self._calls = self._bytes = 0  # that wait or are worked on; only the event loop counts
        self.threads = os.process_cpu_count() or 1
        self._threads = ThreadPoolExecutor(self.threads, "predict")

    def warm_up(self) -> None:
        """Decodes and embeds a blank picture, so that the first caller does not wait for what happens only once."""
        blank = BytesIO()
        Image.new("RGB", (64, 64)).save(blank, "JPEG")
        self._backbones.own.embed(decode_picture(blank.getvalue(), PREDICTION).pixels)

    def close(self) -> None:
        """Ends the threads when they have done what they do now; nothing that waits is begun."""
        self._threads.shutdown(cancel_futures=True)

    def forget(self, model: Model) -> None:
        """Frees the memory of a model that was deleted."""
        self._models.drop(model.id)

    async def predict(self, model_name: str, content: bytes) -> Prediction:
        """Predicts the labels of a picture, or the objects in it.

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
        model = self._model(model_name)
        digest, folder = model.backbone_digest, self._place.model(model_name)
        return prediction_of(content, backbone_of_model(self._backbones, model_name, digest, folder), model)

    def _model(self, model_name: str) -> Classifier | Detector:
        model = self._store.models.find(model_name)
        if model is None:
            raise NotFoundError(f"Resource not found: there is no model '{model_name[:255]}'.")
        if model.status is not Status.SUCCEEDED:
            raise NotReadyError(f"Model '{model_name}' is {model.status}; only a succeeded model predicts.")
        return self._models.get(model.id, lambda: self._load(model))

    def _load(self, model: Model) -> Loaded[Classifier | Detector]:
        folder, finds = self._place.model(model.name), model.kind is ModelKind.DETECTOR
        path = detector_path(folder) if finds else classifier_path(folder)
        try:
            loaded = Detector.load(path) if finds else Classifier.load(path)
            return Loaded(loaded, path.stat().st_size)  # its arrays lie in the file as they do in memory
        except (ClassifierFileError, DetectorFileError, OSError) as exc:
            _log.exception("The files of model '%s' cannot be read.", model.name)
            raise NotReadyError(
                f"The files of model '{model.name}' cannot be read. Train it again.", code="ModelUnreadable"
            ) from exc


def prediction_of(content: bytes, backbone: Backbone, model: Classifier | Detector) -> Prediction:
    """Predicts the labels of one picture, or the objects in it; this is all that the engine computes for an answer.

    Args:
        content: The picture's bytes, in any format that `engine.images` reads.
        backbone: The one that the model was trained with.
        model: What to ask.

    Raises:
        PictureError: The picture cannot be used.
    """
    picture = decode_picture(content, PREDICTION)
    if isinstance(model, Detector):
        return _objects(picture, backbone, model)
    features = backbone.embed(picture.pixels)
    confidences = model.predict(features[np.newaxis])[0]
    tags = sorted(zip(model.labels, confidences.tolist(), strict=True), key=lambda tag: (-tag[1], tag[0]))
    unknown = model.unknown(features[np.newaxis])
    score = None if unknown is None else float(unknown[0])
    return Prediction(picture.width, picture.height, tags=tuple(tags), unknown=score)


def _objects(picture: Picture, backbone: Backbone, detector: Detector) -> Prediction:
    said = told(detector.detect(picture_maps(backbone, picture.pixels)), detector.labels)
    return Prediction(picture.width, picture.height, objects=objects_of(said, picture.width, picture.height))
