"""`imageanalysis:analyze`: takes a picture in any of the contract's forms, answers a custom model's prediction (§4)."""

import re
from collections.abc import Iterator
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import Response

from engine.bodies import UrlBody, parse_body
from engine.errors import FetchError, InvalidRequestError, PictureError
from engine.fetch import Fetcher
from engine.images import MAX_BYTES
from engine.objects import box_json
from engine.predictor import Prediction, Predictor
from engine.wire import MAX_JSON_BYTES, json_response, query_of, read_body

_URL_SECONDS = 30.0
_URL_ATTEMPTS = 2
_FETCHES_AT_ONCE = 16
_FORM_OVERHEAD = 65_536  # bytes that multipart's own headers may take
_MAX_PARTS = 100
_MAX_HEAD = 16_384  # bytes
_BOUNDARY = re.compile(r""";\s{0,9}boundary=(?:"([^"]{1,70})"|([^\s";,]{1,70}))\s*(?:;|$)""", re.IGNORECASE)


class Analyzer:
    """Answers analyze requests."""

    def __init__(self, predictor: Predictor, fetcher: Fetcher) -> None:
        self._predictor = predictor
        self._fetcher = fetcher
        self._fetches = anyio.CapacityLimiter(_FETCHES_AT_ONCE)  # slow stores must not hold up the other calls' threads

    async def analyze_image(self, request: Request) -> Response:
        """Translates a request into a prediction, and a prediction into the contract's result."""
        query = query_of(request)
        content = await self._picture(request)
        model_name = _model_name(query)
        try:
            prediction = await self._predictor.predict(model_name, content)
        except PictureError as exc:
            raise InvalidRequestError(f"Image format is not valid: {exc}", inner_code=exc.inner_code) from exc
        unknown = query.get("unknown-score", "").lower() == "true"
        return json_response(result_json(prediction, query["api-version"], unknown=unknown))

    async def _picture(self, request: Request) -> bytes:
        """Reads the picture; the media type only says how it is wrapped, never what it is."""
        media_type = request.headers.get("Content-Type", "application/octet-stream").split(";")[0].strip().lower()
        if media_type in ("application/json", "application/json-patch+json"):
            body = parse_body(await read_body(request, MAX_JSON_BYTES, "The request body"), UrlBody)
            return await anyio.to_thread.run_sync(self._fetch, body.url, limiter=self._fetches)
        if media_type == "multipart/form-data":
            form = await read_body(request, MAX_BYTES + _FORM_OVERHEAD, "The picture")
            return first_file(form, request.headers["Content-Type"])
        if media_type == "application/octet-stream" or media_type.startswith("image/"):
            return await read_body(request, MAX_BYTES, "The picture")
        raise InvalidRequestError(
            f"The content type '{media_type[:80]}' is not supported. Send the picture as image/*, "
            "application/octet-stream or multipart/form-data, or its URL as application/json."
        )

    def _fetch(self, url: str) -> bytes:
        try:
            return self._fetcher.read(url, limit=MAX_BYTES, seconds=_URL_SECONDS, attempts=_URL_ATTEMPTS)
        except FetchError as exc:
            raise InvalidRequestError(f"Image URL is badly formatted or not accessible: {exc}") from exc


def result_json(prediction: Prediction, api_version: str, *, unknown: bool = False) -> dict[str, Any]:
    """The custom result of contract §4; both result keys, because some clients need both.

    Args:
        prediction: What a model says.
        api_version: Of the call.
        unknown: Whether to say how unlike all labels the picture is, which the contract does not know.
    """
    tags = [{"name": label, "confidence": confidence} for label, confidence in prediction.tags]
    objects = [
        {
            "id": str(number),
            "boundingBox": box_json(one.box),
            "tags": [{"name": one.label, "confidence": one.confidence}],
        }
        for number, one in enumerate(prediction.objects, 1)
    ]
    result: dict[str, Any] = {"tagsResult": {"values": tags}, "objectsResult": {"values": objects}}
    if unknown and prediction.unknown is not None:
        result["unknownScore"] = prediction.unknown
    return {
        "modelVersion": api_version,
        "metadata": {"width": prediction.width, "height": prediction.height},
        "customModelResult": result,
    }


def first_file(form: bytes, content_type: str) -> bytes:
    """Returns the first part of a multipart/form-data body that is a file, or the first part when none is named a file.

    Raises:
        InvalidRequestError: No boundary, no part, or more of either than a form needs.
    """
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise InvalidRequestError(
            "The multipart/form-data body has no boundary of 1 to 70 letters in its Content-Type."
        )
    first: bytes | None = None
    for number, (head, content) in enumerate(_parts(form, (boundary[1] or boundary[2]).encode("latin-1"))):
        if number == _MAX_PARTS:
            raise InvalidRequestError(f"The multipart/form-data body has more than {_MAX_PARTS} parts. Send one file.")
        if re.search(rb"filename\*?=", head, re.IGNORECASE):
            return content
        first = content if first is None else first
    if first is None:
        raise InvalidRequestError("The multipart/form-data body has no part. Send the picture as a file.")
    return first


def _parts(form: bytes, boundary: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields (head, content) of each part that is closed by a boundary."""
    mark = b"\r\n--" + boundary
    begin = -2 if form.startswith(mark[2:]) else form.find(mark)
    if begin == -1:
        return
    start = begin + len(mark)
    while (end := form.find(mark, start)) >= 0:
        blank = form.find(b"\r\n\r\n", start, min(end, start + _MAX_HEAD))
        if blank < 0:
            raise InvalidRequestError(f"A part of the form has no end of its head within {_MAX_HEAD} bytes.")
        yield form[start:blank], form[blank + 4 : end]
        start = end + len(mark)


def _model_name(query: dict[str, str]) -> str:
    """Returns the model's name. `features` beside it is accepted: the GA SDK always sends some.

    A `model-version` other than `latest` is a model's name and pins it, as it does in the function app's `predict`.
    """
    version = query.get("model-version", "")
    name = version if version.lower() not in ("", "latest") else query.get("model-name")
    if name:
        return name
    if query.get("features"):
        raise InvalidRequestError(
            "Analyze query is invalid: general image features are not supported by this engine. "
            "Pass model-name=NAME for a model that was trained here.",
            inner_code="NotSupportedVisualFeature",
        )
    raise InvalidRequestError("Either 'features' or 'model-name' needs to be specified in the query parameter")
