"""Below the routes: reading bodies within bounds, answering errors, and the gate that every request passes."""

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Tracer
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.errors import DiskRefusedError, InvalidRequestError, PermissionDeniedError, RequestError, TooBusyError
from engine.settings import Settings
from engine.telemetry import METHOD, STATUS, context_of

PREVIEW_VERSIONS = ("2023-02-01-preview", "2023-04-01-preview")
GA_VERSIONS = ("2023-10-01", "2024-02-01")  # answered like a preview, so that the GA SDK can use custom models
MAX_JSON_BYTES = 1_048_576
_NOT_OFFERED = {  # of the preview versions' other features (contract §2)
    "productrecognition": "product recognition",
    "imagecomposition:": "image composition",
    "planogramcompliance:": "planogram compliance",
    "retrieval:": "image retrieval",
    "imageanalysis:segment": "background removal",
}
_OPEN_TO_ALL = ("/healthz", "/openapi.json")
_CLIENT_ID_HEADER = "x-ms-client-request-id"
KEY_HEADER = "Ocp-Apim-Subscription-Key"


_log = logging.getLogger(__name__)


async def read_body(request: Request, limit: int, what: str) -> bytes:
    """Reads a body of at most `limit` bytes; a larger one is refused from its Content-Length, before it is read.

    The server discards what the caller still sends, so that it reads the refusal instead of a broken pipe.

    Raises:
        InvalidRequestError: Too many bytes, announced or counted.
    """
    refusal = InvalidRequestError(
        f"{what} has more than {limit} bytes. Send a smaller one.", inner_code="InvalidImageSize"
    )
    announced = request.headers.get("Content-Length", "0")
    if announced.isdecimal() and int(announced) > limit:
        raise refusal
    content = bytearray()
    try:
        async for chunk in request.stream():
            content += chunk
            if len(content) > limit:
                raise refusal
    except ClientDisconnect as exc:
        raise InvalidRequestError(f"{what} ended before it was whole.") from exc  # nobody hears it; no fault of ours
    return bytes(content)


def json_response(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answers JSON."""
    return Response(msgspec.json.encode(body), status, headers, "application/json")


def error_response(
    error: RequestError, status: int | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Answers an error as contract §5 says, `x-ms-error-code` included."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.inner_code is not None:
        body["innererror"] = {"code": error.inner_code, "message": error.message}
    code = {"x-ms-error-code": error.code}
    return json_response({"error": body}, status or error.status, code | dict(headers or {}))


async def answer_request_error(_: Request, exc: Exception) -> Response:
    """Answers a `RequestError`."""
    if not isinstance(exc, RequestError):
        raise exc
    waits = {"Retry-After": str(exc.retry_seconds)} if isinstance(exc, TooBusyError) else None
    return error_response(exc, headers=waits)


async def answer_http_exception(request: Request, exc: Exception) -> Response:
    """Answers an unknown path (404) or method (405, with `Allow`), which the router refuses."""
    if not isinstance(exc, HTTPException):
        raise exc
    code = {404: "404", 405: "MethodNotAllowed"}.get(exc.status_code, "InvalidRequest")
    path = request.url.path[:300]
    feature = next((name for start, name in _NOT_OFFERED.items() if path.startswith(f"/computervision/{start}")), None)
    reason = f"this engine does not offer {feature}" if feature else exc.detail
    message = f"{request.method} {path}: {reason}. GET /openapi.json lists the operations."
    headers = (
        {"Allow": ", ".join(_allowed_methods(request))} if exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED else {}
    )
    return error_response(RequestError(message, code=code), exc.status_code, headers)


def _allowed_methods(request: Request) -> list[str]:
    """Returns the methods of all routes that the path matches; the router itself tells those of the first only."""
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in routes for method in route.methods})


async def answer_store_refusal(_request: Request, exc: Exception) -> Response:
    """Answers a change that the disk or another process's lock refused; nothing of it was kept."""
    _log.error("The store refused: %s.", exc)
    message = "The engine's store refused; nothing was changed, and the reason is in the engine's log. Try again later."
    return error_response(DiskRefusedError(message))


async def answer_unexpected(_request: Request, _exc: Exception) -> Response:
    """Answers what should not have happened; the traceback goes to the log, nothing of it to the caller."""
    return error_response(
        RequestError("The engine failed to answer; the reason is in its log.", code="InternalServerError"), 500
    )


class Gate:
    """What holds for every operation: `//` is `/` (contract §6), a known key, an api-version we speak."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request through or answers its refusal."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["path"] = re.sub("/{2,}", "/", scope["path"])
        request = Request(scope, receive)
        try:
            self._check(request)
        except RequestError as exc:
            await error_response(exc)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, request: Request) -> None:
        if request.url.path in _OPEN_TO_ALL:
            return
        if not self._settings.accepts(request.headers.get(KEY_HEADER, "")):
            raise PermissionDeniedError(
                "Access denied due to invalid subscription key or wrong API endpoint. "
                f"Send one of the engine's keys in the header {KEY_HEADER}."
            )
        if not request.url.path.startswith("/computervision/"):
            return
        version = query_of(request).get("api-version")
        if version is None:
            raise InvalidRequestError("The query parameter api-version is missing; use api-version=2023-04-01-preview.")
        if version.lower() not in PREVIEW_VERSIONS + GA_VERSIONS:
            known = ", ".join(PREVIEW_VERSIONS + GA_VERSIONS)
            raise InvalidRequestError(f"api-version '{version[:40]}' is not one of {known}.")


class Traced:
    """One span per request, named after the operation, in the caller's trace when it sent a traceparent.

    Answers carry the trace's id as `x-ms-request-id`, and the caller's `x-ms-client-request-id` as it came.
    """

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the request inside its span."""
        if scope["type"] != "http" or scope["path"] == "/healthz":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        context = context_of(headers.get("traceparent"))
        span = self._tracer.start_span("request", context, SpanKind.SERVER, {METHOD: scope["method"]})
        ids = _request_ids(span, headers.get(_CLIENT_ID_HEADER))

        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start":
                span.set_attribute(STATUS, message["status"])
                message["headers"] = [*message.get("headers", ()), *ids]
            await send(message)

        with trace.use_span(span, end_on_exit=True):
            await self._app(scope, receive, send_and_note)
            operation = scope.get("endpoint")
            if operation is not None:
                span.update_name(operation.__name__)


def _request_ids(span: Span, client_id: str | None) -> list[tuple[bytes, bytes]]:
    ids = [(b"x-ms-request-id", f"{span.get_span_context().trace_id:032x}".encode())]
    if client_id is not None and re.fullmatch(r"[!-~]{1,128}", client_id):
        ids.append((_CLIENT_ID_HEADER.encode(), client_id.encode()))
    return ids


def query_of(request: Request) -> dict[str, str]:
    """Returns the query with lower-case names; of a name that is repeated, the last."""
    return {name.lower(): value for name, value in request.query_params.multi_items()}
