"""Predicts with trained models: loads them when first asked for, keeps a few."""

import logging
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from io import BytesIO

import anyio
import numpy as np
from PIL import Image

from engine.artifacts import classifier_path
from engine.errors import NotFoundError, NotReadyError
from engine.images import PREDICTION, decode_picture
from engine.learn.backbone import Backbone
from engine.learn.classifier import Classifier
from engine.learn.errors import ClassifierFileError
from engine.orders import JobPlace
from engine.records import Status
from engine.store import Store

KEPT_MODELS = 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says of a picture.

    Attributes:
        width: Of the picture as submitted, in pixels, upright.
        height: Likewise.
        tags: (label, confidence) of every label, most confident first; confidences sum to 1.
    """

    width: int
    height: int
    tags: tuple[tuple[str, float], ...]


class Predictor:
    """Predicts in threads, a bounded number at once. Needs a running event loop only in `predict`."""

    def __init__(self, store: Store, place: JobPlace, backbone: Backbone) -> None:
        self._store = store
        self._place = place
        self._backbone = backbone
        self._slots = anyio.CapacityLimiter(os.cpu_count() or 1)
        self._models: OrderedDict[int, Classifier] = OrderedDict()
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        """Decodes and embeds a blank picture, so that the first caller does not wait for what happens only once."""
        blank = BytesIO()
        Image.new("RGB", (64, 64)).save(blank, "JPEG")
        self._backbone.embed(decode_picture(blank.getvalue(), PREDICTION).pixels)

    async def predict(self, model_name: str, content: bytes) -> Prediction:
        """Predicts the labels of a picture.

        Args:
            model_name: Of a succeeded model.
            content: The picture's bytes, in any format that `engine.images` reads.

        Raises:
            NotFoundError: There is no such model.
            NotReadyError: It cannot predict now; the message says why.
            PictureError: The picture cannot be used.
        """
        return await anyio.to_thread.run_sync(self._predict, model_name, content, limiter=self._slots)

    def _predict(self, model_name: str, content: bytes) -> Prediction:
        return prediction_of(content, self._backbone, self._classifier(model_name))

    def _classifier(self, model_name: str) -> Classifier:
        model = self._store.models.find(model_name)
        if model is None:
            raise NotFoundError(f"Resource not found: there is no model '{model_name[:255]}'.")
        if model.status is not Status.SUCCEEDED:
            raise NotReadyError(f"Model '{model_name}' is {model.status}; only a succeeded model predicts.")
        with self._lock:
            classifier = self._models.get(model.id)
            if classifier is None:
                classifier = self._models[model.id] = self._load(model_name)
            self._models.move_to_end(model.id)
            if len(self._models) > KEPT_MODELS:
                self._models.popitem(last=False)
        if classifier.backbone_digest != self._backbone.digest:
            raise NotReadyError(
                f"Model '{model_name}' was trained with another backbone ({classifier.backbone_digest[:12]}) than the "
                f"engine has now ({self._backbone.name}, {self._backbone.digest[:12]}). Train it again, or start the "
                "engine with its backbone (ENGINE_BACKBONE).",
                code="ModelBackboneMismatch",
            )
        return classifier

    def _load(self, model_name: str) -> Classifier:
        try:
            return Classifier.load(classifier_path(self._place.model(model_name)))
        except ClassifierFileError as exc:
            _log.exception("The files of model '%s' cannot be read.", model_name)
            raise NotReadyError(
                f"The files of model '{model_name}' cannot be read. Train it again.", code="ModelUnreadable"
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
