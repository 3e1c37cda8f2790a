"""What the contract allows in names, bodies and queries; each rule names what broke it."""

import re
from collections.abc import Mapping

import httpx

from engine.access import LAST_PORT
from engine.bodies import AuthenticationBody
from engine.errors import InvalidRequestError
from engine.records import MAX_BUDGET_HOURS, AnnotationKind, AuthenticationKind, ModelKind

MAX_ANNOTATION_FILES = 10
MAX_CUSTOM_PROPERTIES = 10
MAX_SKIP = 2_147_483_647
MAX_TOP = 30
DEFAULT_TOP = 10

_NUMBER = re.compile(r"[0-9]{1,12}")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}")
_ANNOTATION_KINDS = {
    "imageclassification": AnnotationKind.CLASSIFICATION,
    "multiclassclassification": AnnotationKind.CLASSIFICATION,  # contract §2.1: an early spelling
    "imagemultilabelclassification": AnnotationKind.MULTILABEL,
    "imageobjectdetection": AnnotationKind.DETECTION,
}
_MODEL_KINDS = {
    "genericclassifier": ModelKind.CLASSIFIER,
    "genericdetector": ModelKind.DETECTOR,
    "productrecognizer": ModelKind.PRODUCT_RECOGNIZER,
    "productrecognitionmodel": ModelKind.PRODUCT_RECOGNIZER,
}
_AUTHENTICATION_KINDS = {kind.lower(): kind for kind in AuthenticationKind}


def check_name(name: str, word: str) -> None:
    """Raises InvalidRequestError when a name breaks the contract's rule (§1)."""
    if not _NAME.fullmatch(name):
        raise InvalidRequestError(
            f"'{name[:80]}' is not a {word} name. Use 1 to 255 letters, digits, '.', '_' and '-'; "
            "begin with a letter or digit."
        )


def check_annotation_file_uris(uris: list[str]) -> tuple[str, ...]:
    """Returns 1 to 10 absolute http(s) URIs without a signature; their data is not read (contract §2.1).

    Raises:
        InvalidRequestError: With the contract's code DatasetInvalidAnnotationUri.
    """
    code = "DatasetInvalidAnnotationUri"
    if not 1 <= len(uris) <= MAX_ANNOTATION_FILES:
        raise InvalidRequestError(
            f"annotationFileUris has {len(uris)} entries; give 1 to {MAX_ANNOTATION_FILES}.", code=code
        )
    for number, uri in enumerate(uris, 1):
        try:
            url = httpx.URL(uri)
            host = url.host
        except (httpx.InvalidURL, UnicodeError) as exc:  # the latter for a host that cannot be one
            raise InvalidRequestError(f"annotationFileUris entry {number} is not a URI.", code=code) from exc
        if url.scheme not in ("http", "https") or not host or url.userinfo or (url.port or 0) > LAST_PORT:
            raise InvalidRequestError(
                f"annotationFileUris entry {number} is not an absolute http or https URI without user name.", code=code
            )
        if "sig" in (name.lower() for name in url.params):
            raise InvalidRequestError(
                f"annotationFileUris entry {number} carries a signature. "
                "Pass it as authentication {kind: sas, sasToken}; there it is kept encrypted.",
                code=code,
            )
    return tuple(uris)


def check_annotation_kind(text: str) -> AnnotationKind:
    """Returns the kind that the text names."""
    kind = _ANNOTATION_KINDS.get(text.lower())
    if kind is None:
        raise InvalidRequestError(f"annotationKind '{text[:80]}' is not one of {', '.join(AnnotationKind)}.")
    return kind


def check_authentication(body: AuthenticationBody) -> tuple[AuthenticationKind, str | None]:
    """Returns kind and SAS token without a leading question mark."""
    kind = _AUTHENTICATION_KINDS.get(body.kind.lower())
    if kind is None:
        raise InvalidRequestError(
            f"authentication.kind '{body.kind[:80]}' is not one of {', '.join(AuthenticationKind)}."
        )
    if kind is not AuthenticationKind.SAS:
        return kind, None
    token = (body.sas_token or "").strip().removeprefix("?")
    if not token or "://" in token or "=" not in token or not token.isascii() or not token.isprintable():
        raise InvalidRequestError("authentication.sasToken must be a SAS's query string, not a URL and not empty.")
    return kind, token


def check_custom_properties(properties: dict[str, str]) -> dict[str, str]:
    """Returns the properties when they are few enough."""
    if len(properties) > MAX_CUSTOM_PROPERTIES:
        raise InvalidRequestError(
            f"customProperties has {len(properties)} pairs; at most {MAX_CUSTOM_PROPERTIES} are allowed."
        )
    return properties


def check_model_kind(text: str) -> ModelKind:
    """Returns the kind that the text names, older spellings included, when this engine makes such models."""
    kind = _MODEL_KINDS.get(text.lower().replace("-", ""))
    if kind is None:
        raise InvalidRequestError(f"modelKind '{text[:80]}' is not one of {', '.join(MAX_BUDGET_HOURS)}.")
    if kind not in MAX_BUDGET_HOURS:
        raise InvalidRequestError(
            f"modelKind {kind} is not supported by this engine: it trains no product recognizers. "
            f"Use {ModelKind.DETECTOR} with a data set of kind {AnnotationKind.DETECTION}."
        )
    return kind


def check_budget(hours: float, kind: ModelKind) -> int:
    """Returns the budget when it is within the contract's bounds for this kind of model."""
    most = MAX_BUDGET_HOURS[kind]
    if not 1 <= hours <= most or hours != int(hours):
        raise InvalidRequestError(f"timeBudgetInHours is {hours}; give a whole number from 1 to {most} for a {kind}.")
    return int(hours)


def check_page(query: Mapping[str, str], *, most: int = MAX_TOP) -> tuple[int, int]:
    """Returns (skip, top) of a collection request; `most` bounds top."""
    return _bounded(query, "skip", 0, 0, MAX_SKIP), _bounded(query, "top", DEFAULT_TOP, 1, most)


def _bounded(query: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise InvalidRequestError(f"{name} is '{text[:40]}'; give a whole number from {least} to {most}.")
    return int(text)
