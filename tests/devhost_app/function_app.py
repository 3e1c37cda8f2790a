"""A function app that only the tests of devhost run: each function notes what it was given in a file."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import azure.functions as func
from azurefunctions.extensions.bindings.blob import BlobClient

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


def note(kind: str, **facts: Any) -> None:
    """Appends one line to the file the test reads."""
    with Path(os.environ["NOTES"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"kind": kind, **facts}) + "\n")


@app.route(route="echo/{name}/{id:int?}", methods=["GET", "POST"], auth_level=func.AuthLevel.ANONYMOUS)
def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Answers with what the function saw."""
    seen = {
        "method": req.method,
        "url": req.url,
        "params": dict(req.params),
        "route": dict(req.route_params),
        "header": req.headers.get("X-Thing"),
        "body": req.get_body().decode("latin-1"),
        "trace": context.trace_context.trace_parent,
    }
    response = func.HttpResponse(json.dumps(seen), status_code=201, mimetype="application/json")
    response.headers.add("Set-Cookie", "taste=sweet; Path=/; Max-Age=60; HttpOnly; SameSite=Lax")
    return response


@app.route(route="computervision/imageanalysis:analyze", methods=["POST"])
def analyze(req: func.HttpRequest) -> func.HttpResponse:
    """Has a colon in its route, and level "function"."""
    return func.HttpResponse(str(len(req.get_body())))


@app.route(route="guarded", auth_level=func.AuthLevel.ADMIN)
def guarded(req: func.HttpRequest) -> func.HttpResponse:
    """Opens to the master key only."""
    return func.HttpResponse("in")


@app.route(route="fail", auth_level=func.AuthLevel.ANONYMOUS)
def fail(req: func.HttpRequest) -> func.HttpResponse:
    """Fails."""
    raise RuntimeError("on purpose")


@app.route(route="hang", auth_level=func.AuthLevel.ANONYMOUS)
def hang(req: func.HttpRequest) -> func.HttpResponse:
    """Runs longer than functionTimeout allows, and ends by itself a little later."""
    threading.Event().wait(4)
    return func.HttpResponse("late")


_both = threading.Barrier(2)


@app.route(route="meet", auth_level=func.AuthLevel.ANONYMOUS)
def meet(req: func.HttpRequest) -> func.HttpResponse:
    """Answers only when two calls run at once."""
    _both.wait(timeout=2)
    return func.HttpResponse("met")


@app.timer_trigger(arg_name="timer", schedule="%TICK%")
def tick(timer: func.TimerRequest) -> None:
    """Notes each run."""
    note("tick", past_due=timer.past_due, last=timer.schedule_status.get("Last"))


@app.blob_trigger(
    arg_name="client",
    path="%TRAINING_CONTAINER%/{dataset}/images/{name}",
    connection="TRAINING_STORAGE",
    source=func.BlobSource.EVENT_GRID,
)
def picture(client: BlobClient, context: func.Context) -> None:
    """Notes the blob it was given, unless its name asks for trouble."""
    if "hold" in client.blob_name:
        note("holding", blob=client.blob_name)
        threading.Event().wait(600)
    if "bad" in client.blob_name:
        note("failed", blob=client.blob_name, retry=context.retry_context.retry_count)
        raise RuntimeError("on purpose")
    etag = client.get_blob_properties().etag
    note("picture", blob=client.blob_name, etag=etag.strip('"'))


@app.event_grid_trigger(arg_name="event")
def forget(event: func.EventGridEvent) -> None:
    """Notes the event it was given."""
    if "bad" in event.subject:
        note("forget failed", subject=event.subject, id=event.id)
        raise RuntimeError("on purpose")
    note("forget", subject=event.subject, type=event.event_type, data=event.get_json())
