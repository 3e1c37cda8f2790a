"""The host's admin API: what runs here, and running a function on demand. The master key opens it."""

import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devhost.endpoints import read_body, request_key
from devhost.functions import Function
from devhost.keys import Keys

_MAX_INPUT: Final = 1024 * 1024

# Runs a function that is not called by HTTP, with the text the caller gave as input.
Runner = Callable[[Function, str], Awaitable[None]]


class Admin:
    """`/admin/…` as in Azure, for the part of it that is useful on one machine."""

    def __init__(self, functions: tuple[Function, ...], *, keys: Keys, runners: Mapping[str, Runner]) -> None:
        """Takes the functions and, per trigger type, how a function of that type is run on demand."""
        self._functions = {function.name.lower(): function for function in functions}
        self._keys = keys
        self._runners = runners

    def routes(self) -> list[Route]:
        """Returns the routes to mount at the root."""
        return [
            Route("/admin/host/status", self._guarded(self._status), methods=["GET"]),
            Route("/admin/functions", self._guarded(self._list), methods=["GET"]),
            Route("/admin/functions/{name}", self._guarded(self._show), methods=["GET"]),
            Route("/admin/functions/{name}", self._guarded(self._run), methods=["POST"]),
        ]

    def _guarded(self, answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            if not self._keys.admits("admin", "", request_key(request)):
                return Response(status_code=HTTPStatus.UNAUTHORIZED)
            return await answer(request)

        return guarded

    async def _status(self, _: Request) -> Response:
        return JSONResponse({"id": "darkroom", "state": "Running", "version": "4", "functions": len(self._functions)})

    async def _list(self, _: Request) -> Response:
        return JSONResponse([_describe(function) for function in self._functions.values()])

    async def _show(self, request: Request) -> Response:
        function = self._functions.get(request.path_params["name"].lower())
        return JSONResponse(_describe(function)) if function else Response(status_code=HTTPStatus.NOT_FOUND)

    async def _run(self, request: Request) -> Response:
        function = self._functions.get(request.path_params["name"].lower())
        if function is None:
            return Response(status_code=HTTPStatus.NOT_FOUND)
        runner = self._runners.get(function.trigger.type)
        if runner is None:
            known = ", ".join(sorted(self._runners))
            return _bad_request(f"a {function.trigger.type} function is not run on demand; these are: {known}")
        try:
            body = json.loads(await read_body(request, _MAX_INPUT) or b"{}")
        except ValueError as error:
            return _bad_request(f'the body is not JSON: {error}; send {{"input": ""}}')
        given = body.get("input", "") if isinstance(body, dict) else None
        if not isinstance(given, str):
            return _bad_request('the body must be an object such as {"input": ""}, with a text')
        await runner(function, given)
        return Response(status_code=HTTPStatus.ACCEPTED)


def _bad_request(message: str) -> Response:
    return JSONResponse({"error": {"code": "BadRequest", "message": message}}, status_code=HTTPStatus.BAD_REQUEST)


def _describe(function: Function) -> dict[str, Any]:
    return {
        "name": function.name,
        "language": "python",
        "config": {"bindings": [dict(binding.options) for binding in function.bindings]},
    }
