"""HTTP functions: a request becomes a call, its outcome a response, with the rules of Azure's host around it."""

import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from devhost.functions import Function
from devhost.keys import Keys
from devhost.protos import RpcHttp, RpcHttpCookie, TypedData
from devhost.routes import Route, parse_route
from devhost.tracing import new_trace
from devhost.worker import Call, Outcome

MAX_BODY: Final = 100 * 1024 * 1024
_SAME_SITE: Final = {1: "lax", 2: "strict", 3: "none"}
_log: Final = logging.getLogger(__name__)


class Invoke(Protocol):
    """Runs a function once."""

    def __call__(self, function: Function, call: Call, /) -> Awaitable[Outcome]: ...


class BodyTooLargeError(Exception):
    """A request's body is larger than is allowed."""


async def read_body(request: Request, limit: int = MAX_BODY) -> bytes:
    """Returns the body.

    Raises:
        BodyTooLargeError: It is larger than `limit` bytes; nothing of it is read when its length is announced.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise BodyTooLargeError
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise BodyTooLargeError
        chunks.append(chunk)
    return b"".join(chunks)


def request_key(request: Request) -> str | None:
    """Returns the key a caller shows: header `x-functions-key`, else the query's `code`."""
    return request.headers.get("x-functions-key") or request.query_params.get("code")


def trace_parent(request: Request) -> str:
    """Returns the caller's W3C traceparent, or starts a trace."""
    return request.headers.get("traceparent") or new_trace()


@dataclass(frozen=True, slots=True)
class _Endpoint:
    function: Function
    route: Route
    methods: frozenset[str]
    level: str


class HttpFunctions:
    """ASGI application of all HTTP functions.

    As in Azure a path or method that no function has is 404 (never 405, and HEAD only where a function lists it), a
    missing or wrong key is 401, a failed function is 500; these answers have no body.
    """

    def __init__(self, functions: tuple[Function, ...], *, prefix: str, keys: Keys, invoke: Invoke) -> None:
        """Compiles the routes.

        Raises:
            AppError: A route template is malformed.
        """
        self._keys = keys
        self._invoke = invoke
        found = [_endpoint(function, prefix) for function in functions if function.trigger.type == "httpTrigger"]
        self._endpoints = sorted(found, key=lambda endpoint: endpoint.route.rank)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        request = Request(scope, receive, send)
        try:
            response = await self._answer(request)
        except BodyTooLargeError:
            response = Response(status_code=HTTPStatus.CONTENT_TOO_LARGE, headers={"connection": "close"})
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        raw_path: str = request.scope.get("raw_path", b"").decode("latin-1") or request.scope["path"]
        for endpoint in self._endpoints:
            values = endpoint.route.match(raw_path)
            if values is None or request.method not in endpoint.methods:
                continue
            if not self._keys.admits(endpoint.level, endpoint.function.name, request_key(request)):
                return Response(status_code=HTTPStatus.UNAUTHORIZED)
            return await self._call(endpoint.function, request, values)
        if raw_path == "/":
            return PlainTextResponse("The function app is up and running.\n")
        return Response(status_code=HTTPStatus.NOT_FOUND)

    async def _call(self, function: Function, request: Request, values: dict[str, str]) -> Response:
        http = RpcHttp(
            method=request.method,
            url=str(request.url),
            headers={name: ",".join(request.headers.getlist(name)) for name in request.headers},
            # Azure's host drops empty query values, and so do we.
            query={
                name: ",".join(request.query_params.getlist(name))
                for name, value in request.query_params.items()
                if value
            },
            params=values,
            body=TypedData(bytes=await read_body(request)),
        )
        call = Call(
            value=TypedData(http=http),
            trace_parent=trace_parent(request),
            trace_state=request.headers.get("tracestate", ""),
        )
        outcome = await self._invoke(function, call)
        if not outcome.ok:
            return Response(status_code=HTTPStatus.INTERNAL_SERVER_ERROR)
        return _response(outcome.value)


def _endpoint(function: Function, prefix: str) -> _Endpoint:
    options = function.trigger.options
    methods = options.get("methods") or ["GET", "POST", "DELETE", "HEAD", "PATCH", "PUT", "OPTIONS", "TRACE"]
    return _Endpoint(
        function=function,
        route=parse_route(options.get("route") or function.name, prefix),
        methods=frozenset(str(method).upper() for method in methods),
        level=str(options.get("authLevel", "function")).lower(),
    )


def _response(value: TypedData | None) -> Response:
    kind = value.WhichOneof("data") if value is not None else None
    if value is None or kind is None:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    if kind != "http":
        return PlainTextResponse(getattr(value, kind))
    http: RpcHttp = value.http
    content = http.body.bytes if http.body.WhichOneof("data") == "bytes" else b""
    dropped = {"content-length", "transfer-encoding", "connection"}
    headers = {name: text for name, text in http.headers.items() if name.lower() not in dropped}
    response = Response(content, status_code=int(http.status_code), headers=headers)
    for cookie in http.cookies or ():
        _set_cookie(response, cookie)
    return response


def _set_cookie(response: Response, cookie: RpcHttpCookie) -> None:
    expires = datetime.fromtimestamp(cookie.expires.value.seconds, UTC) if cookie.expires else None
    response.set_cookie(
        cookie.name,
        cookie.value,
        max_age=int(cookie.max_age.value) if cookie.max_age else None,
        expires=expires,
        path=(cookie.path.value if cookie.path else None) or None,
        domain=(cookie.domain.value if cookie.domain else None) or None,
        secure=bool(cookie.secure and cookie.secure.value),
        httponly=bool(cookie.http_only and cookie.http_only.value),
        samesite=_SAME_SITE.get(cookie.same_site),  # type: ignore[arg-type] # the values are the three literals
    )
