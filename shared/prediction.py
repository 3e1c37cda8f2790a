"""Answers Analyze Image with the champion of a dataset, or with a version that the caller names (design §3 hop 12)."""

import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared import layout, limits, telemetry, wire
from shared.errors import (
    AccessDeniedError,
    InvalidRequestError,
    NoChampionError,
    UnknownModelError,
    VisionRefusedError,
    VisionUnavailableError,
)
from shared.promotions import Promotion, PromotionLog
from shared.recent import Recent
from shared.registry import Registry, Version
from shared.storage import BlobContainer
from shared.vision import VisionClient

KEY_HEADER: Final = "ocp-apim-subscription-key"
# For so long a process may answer with what it last read: a promotion or a roll-back shows everywhere after a second.
KEPT_SECONDS: Final = 1.0
# The contract's parameters that the engine may want; others, such as a host's ``code=``, are nobody's business there.
_PASSED_ON: Final = frozenset(
    {"api-version", "features", "language", "gender-neutral-caption", "smartcrops-aspect-ratios"}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a prediction call.

    Attributes:
        body: The engine's JSON, as it came.
        content_type: Its content type.
        model: The version that answered.
        snapshot: Digest of the snapshot it was trained on.
    """

    body: bytes
    content_type: str
    model: str
    snapshot: str


class Prediction:
    """Prediction with the models of one registry."""

    def __init__(
        self,
        *,
        registry: BlobContainer,
        vision: VisionClient,
        keys: Sequence[str],
        default_dataset: str | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = Registry(registry)
        log = PromotionLog(registry)
        self._champions = Recent[str, Promotion](log.champion, seconds=KEPT_SECONDS, clock=clock)
        self._versions = Recent[tuple[str, str], Version](self._version, seconds=KEPT_SECONDS, clock=clock)
        self._datasets = Recent[str, list[str]](lambda _: self._registry.datasets(), seconds=KEPT_SECONDS, clock=clock)
        self._vision = vision
        self._keys = [key.encode() for key in keys]
        self._default_dataset = default_dataset

    def analyze(self, *, headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> Answer:
        """Answer one call.

        Args:
            headers: Request headers, names in lower case.
            query: Query parameters, names in any casing.
            body: A picture of at most 20,971,520 bytes, or a JSON object with its URL.

        Raises:
            AccessDeniedError: The key is missing or wrong.
            InvalidRequestError: The request cannot be answered as it is.
            UnknownModelError: No dataset and no version has this name.
            NoChampionError: The dataset has no champion yet.
            VisionUnavailableError: The engine does not answer.
        """
        self.check_key(headers.get(KEY_HEADER, ""))
        check_size(headers.get("content-length"), len(body))
        query = {name.lower(): value for name, value in query.items()}
        _check_api_version(query.get("api-version"))
        model, snapshot = self._resolve(query.get("model-name"), query.get("model-version"))
        attributes: dict[str, telemetry.Attribute] = {telemetry.VERSION: model}
        with telemetry.span("analyze", attributes=attributes):
            try:
                analysis = self._vision.analyze(
                    model,
                    body,
                    content_type=headers.get("content-type", "application/octet-stream"),
                    query={name: value for name, value in query.items() if name in _PASSED_ON},
                )
            except VisionRefusedError as error:
                raise _callers_fault(error, model) from error
        return Answer(analysis.body, analysis.content_type, model, snapshot)

    def check_key(self, key: str) -> None:
        """Compare with every configured key, in constant time.

        Raises:
            AccessDeniedError: None matches.
        """
        given = key.encode()
        if not sum(hmac.compare_digest(given, known) for known in self._keys):
            raise AccessDeniedError(
                "Access denied due to invalid subscription key or wrong API endpoint. "
                "Send one of PREDICTION_KEYS in the header Ocp-Apim-Subscription-Key."
            )

    def _resolve(self, model_name: str | None, model_version: str | None) -> tuple[str, str]:
        """Return the version that is meant, and its snapshot."""
        for name in (model_version, model_name):
            dataset = layout.dataset_of_version(name) if name else None
            if name and dataset:
                return self._pinned(dataset, name)
        if model_version and model_version.lower() != "latest":
            raise UnknownModelError(
                f"model-version '{model_version}' is neither 'latest' nor a version's name "
                "({dataset}.{digest}.{attempt}); see /api/status for the names."
            )
        return self._champion(model_name or self._only_dataset())

    def _pinned(self, dataset: str, name: str) -> tuple[str, str]:
        version = self._versions.get((dataset, name))
        if version is None:
            raise UnknownModelError(f"Resource not found: no version '{name}'. /api/status lists the versions.")
        if version.state not in ("promoted", "rejected", "evaluating"):
            raise UnknownModelError(f"Resource not found: version '{name}' is {version.state} and cannot answer.")
        return version.name, version.digest

    def _champion(self, dataset: str) -> tuple[str, str]:
        known = layout.is_dataset_name(dataset)
        promotion = self._champions.get(dataset) if known else None
        if promotion is not None:
            return promotion.version, promotion.digest
        if dataset not in self._registry.datasets():
            raise UnknownModelError(f"Resource not found: no dataset '{dataset}'. {self._names()}")
        raise NoChampionError(f"Dataset '{dataset}' has no promoted model yet. GET /api/status says what it waits for.")

    def _version(self, key: tuple[str, str]) -> Version | None:
        found = self._registry.version(*key)
        return found[0] if found else None

    def _only_dataset(self) -> str:
        names = self._datasets.get("") or []
        if len(names) == 1:
            return names[0]
        if self._default_dataset:
            return self._default_dataset
        raise InvalidRequestError(f"Name the dataset in model-name, or set DEFAULT_DATASET. {self._names()}")

    def _names(self) -> str:
        names = self._registry.datasets()
        return f"Datasets: {', '.join(names)}." if names else "There is no dataset yet: drop pictures into storage."


def check_size(content_length: str | None, size: int) -> None:
    """Refuse a body by what its header says, before anybody reads it, and by what it is.

    Raises:
        InvalidRequestError: It is empty or larger than 20,971,520 bytes (contract §5).
    """
    declared = int(content_length) if content_length and content_length.isdecimal() else 0
    largest = max(declared, size)
    if not 0 < largest <= limits.PREDICTION_BYTES:
        raise InvalidRequestError(
            f"The image has {largest:,} bytes; it must have 1 to {limits.PREDICTION_BYTES:,}.",
            inner_code="InvalidImageSize",
        )


def _check_api_version(version: str | None) -> None:
    known = ", ".join(sorted(wire.PREDICTION_API_VERSIONS))
    if version is None:
        raise InvalidRequestError(f"The query parameter api-version is missing. Send one of: {known}.")
    if version.lower() not in wire.PREDICTION_API_VERSIONS:
        raise InvalidRequestError(f"api-version '{version}' is not supported. Send one of: {known}.")


def _callers_fault(error: VisionRefusedError, model: str) -> Exception:
    """Tell what the caller did wrong from what is wrong between us and the engine."""
    match error.status:
        case 400 | 413 | 415:
            return InvalidRequestError(str(error), inner_code=error.inner_code)
        case 404:
            return VisionUnavailableError(
                f"The engine does not have model '{model}'. Its data may be lost: change a picture to train anew."
            )
        case _:
            return VisionUnavailableError(f"The engine refused the call ({error.status}): {error}")
