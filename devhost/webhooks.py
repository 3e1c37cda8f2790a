"""Event Grid deliveries by POST: `/runtime/webhooks/blobs` and `/runtime/webhooks/eventgrid`, with their handshakes."""

import asyncio
import json
import logging
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devhost.endpoints import BodyTooLargeError, Invoke, read_body, request_key, trace_parent
from devhost.events import BlobEvents
from devhost.functions import Function
from devhost.keys import Keys
from devhost.protos import TypedData
from devhost.worker import Call

# Event Grid's own limit for a batch of events.
_MAX_BATCH: Final = 1024 * 1024
_CREATED: Final = "Microsoft.Storage.BlobCreated"
_SUBJECT: Final = "/blobServices/default/containers/"
_log: Final = logging.getLogger(__name__)


class Webhooks:
    """Where Event Grid, or whoever plays its part, delivers.

    Event Grid schema and CloudEvents 1.0 are understood, one event or an array. Events for a blob trigger are written
    down and answered at once with 202; events for an Event Grid function are answered when it has run: 202, or 500,
    after which the sender tries again.
    """

    def __init__(self, functions: tuple[Function, ...], *, keys: Keys, events: BlobEvents, invoke: Invoke) -> None:
        """Takes the app's functions and where their events go."""
        self._functions = {function.name.lower(): function for function in functions}
        self._keys = keys
        self._events = events
        self._invoke = invoke

    def routes(self) -> list[Route]:
        """Returns the routes to mount at the root."""
        methods = ["POST", "OPTIONS"]
        return [
            Route("/runtime/webhooks/blobs", self._blobs, methods=methods),
            Route("/runtime/webhooks/eventgrid", self._eventgrid, methods=methods),
        ]

    async def _blobs(self, request: Request) -> Response:
        name = request.query_params.get("functionName", "").removeprefix("Host.Functions.")
        return await self._receive(request, "blobs_extension", self._functions.get(name.lower()), "blobTrigger")

    async def _eventgrid(self, request: Request) -> Response:
        name = request.query_params.get("functionName", "")
        return await self._receive(
            request, "eventgrid_extension", self._functions.get(name.lower()), "eventGridTrigger"
        )

    async def _receive(self, request: Request, extension: str, function: Function | None, trigger: str) -> Response:
        if not self._keys.admits_delivery(extension, request_key(request)):
            return Response(status_code=HTTPStatus.UNAUTHORIZED)
        if function is None or function.trigger.type != trigger:
            name = request.query_params.get("functionName", "")
            return _problem(HTTPStatus.NOT_FOUND, f"there is no {trigger} function {name!r}")
        if request.method == "OPTIONS":
            return _allow(request)
        try:
            events = _parse_events(await read_body(request, _MAX_BATCH))
        except BodyTooLargeError:
            return _problem(HTTPStatus.CONTENT_TOO_LARGE, f"a batch of events is at most {_MAX_BATCH} bytes")
        except ValueError as error:
            return _problem(
                HTTPStatus.BAD_REQUEST, f"the body is no Event Grid event, CloudEvent or array of them: {error}"
            )
        kind = request.headers.get("aeg-event-type", "Notification").lower()
        if kind == "subscriptionvalidation":
            return _validate(events)
        if kind == "unsubscribe":
            return Response(status_code=HTTPStatus.ACCEPTED)
        if kind != "notification":
            return _problem(HTTPStatus.BAD_REQUEST, f"aeg-event-type {kind!r} is not known")
        if trigger == "blobTrigger":
            return self._take_blobs(function, events)
        return await self._run(function, events, request)

    def _take_blobs(self, function: Function, events: list[dict[str, Any]]) -> Response:
        for event in events:
            subject = str(event.get("subject", ""))
            kind = event.get("eventType") or event.get("type")
            container, found, name = subject.removeprefix(_SUBJECT).partition("/blobs/")
            if kind != _CREATED or not subject.startswith(_SUBJECT) or not found:
                _log.info("event %s of %s is none for a blob trigger; ignored", kind, subject)
            # As in Azure, what Event Grid repeats is delivered again: it does not compare versions.
            elif not self._events.written([f"{container}/{name}"], function=function.name, again=True):
                _log.info("blob %s does not match the path of %s; ignored", subject, function.name)
        return Response(status_code=HTTPStatus.ACCEPTED)

    async def _run(self, function: Function, events: list[dict[str, Any]], request: Request) -> Response:
        calls = [
            Call(
                value=TypedData(json=json.dumps(event)),
                trace_parent=str(event.get("traceparent") or trace_parent(request)),
                trace_state=str(event.get("tracestate") or request.headers.get("tracestate", "")),
            )
            for event in events
        ]
        outcomes = await asyncio.gather(*(self._invoke(function, call) for call in calls))
        good = all(outcome.ok for outcome in outcomes)
        return Response(status_code=HTTPStatus.ACCEPTED if good else HTTPStatus.INTERNAL_SERVER_ERROR)


def _parse_events(body: bytes) -> list[dict[str, Any]]:
    content = json.loads(body)
    events = content if isinstance(content, list) else [content]
    if not all(isinstance(event, dict) for event in events):
        raise ValueError("each event must be an object")
    return events


def _validate(events: list[dict[str, Any]]) -> Response:
    data = events[0].get("data") if events else None
    code = data.get("validationCode") if isinstance(data, dict) else None
    if not code:
        return _problem(HTTPStatus.BAD_REQUEST, "a SubscriptionValidation event has data.validationCode")
    return JSONResponse({"validationResponse": code})


def _allow(request: Request) -> Response:
    """Answers the handshake of CloudEvents: the origin that asks may deliver."""
    origin = request.headers.get("webhook-request-origin")
    if origin is None:
        return _problem(HTTPStatus.BAD_REQUEST, "an OPTIONS request has the header WebHook-Request-Origin")
    return Response(headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*", "Allow": "POST"})


def _problem(status: HTTPStatus, message: str) -> Response:
    return JSONResponse({"error": {"code": status.phrase.replace(" ", ""), "message": message}}, status_code=status)
