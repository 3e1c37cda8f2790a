"""The operations on named things (contract §2): each translates a request, calls the catalog once, translates back."""

from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from engine import __version__
from engine.bodies import DatasetBody, EvaluationBody, ModelBody, parse_body
from engine.catalog import Catalog
from engine.learn.backbone import Backbone
from engine.openapi import document
from engine.rules import check_page
from engine.schemas import dataset_json, evaluation_json, model_json
from engine.telemetry import current_traceparent
from engine.wire import MAX_JSON_BYTES, json_response, query_of, read_body


class Endpoints:
    """One method per operation; the catalog works in threads, because every change waits for the disk."""

    def __init__(self, catalog: Catalog, backbone: Backbone) -> None:
        self._catalog = catalog
        self._backbone = backbone
        self._openapi = msgspec.json.encode(document())

    async def get_health(self, _: Request) -> Response:
        """Says that the engine answers, and which backbone it has; needs no key."""
        backbone = {"name": self._backbone.name, "digest": self._backbone.digest}
        return json_response({"status": "ok", "version": __version__, "backbone": backbone})

    async def get_openapi(self, _: Request) -> Response:
        """Answers the OpenAPI document; needs no key."""
        return Response(self._openapi, media_type="application/json")

    async def put_dataset(self, request: Request) -> Response:
        """Registers a data set."""
        body = parse_body(await _json_body(request), DatasetBody)
        dataset = await run_in_threadpool(self._catalog.add_dataset, request.path_params["name"], body)
        return json_response(dataset_json(dataset), 201, _warning(body))

    async def get_dataset(self, request: Request) -> Response:
        """Returns a data set."""
        dataset = await run_in_threadpool(self._catalog.get_dataset, request.path_params["name"])
        return json_response(dataset_json(dataset))

    async def patch_dataset(self, request: Request) -> Response:
        """Changes a data set's properties."""
        body = parse_body(await _json_body(request), DatasetBody)
        if_match = request.headers.get("If-Match")
        dataset = await run_in_threadpool(self._catalog.change_dataset, request.path_params["name"], body, if_match)
        return json_response(dataset_json(dataset), headers=_warning(body))

    async def delete_dataset(self, request: Request) -> Response:
        """Forgets a data set."""
        if_match = request.headers.get("If-Match")
        await run_in_threadpool(self._catalog.delete_dataset, request.path_params["name"], if_match)
        return Response(status_code=204)

    async def list_datasets(self, request: Request) -> Response:
        """Returns a page of data sets."""
        skip, top = check_page(query_of(request))
        datasets, more = await run_in_threadpool(self._catalog.list_datasets, skip, top)
        return page_response(request, [dataset_json(dataset) for dataset in datasets], skip + top if more else None)

    async def put_model(self, request: Request) -> Response:
        """Queues the training of a model; its spans will belong to this request's trace."""
        body = parse_body(await _json_body(request), ModelBody)
        name = request.path_params["name"]
        model = await run_in_threadpool(self._catalog.add_model, name, body, current_traceparent())
        return json_response(model_json(model), 201)

    async def get_model(self, request: Request) -> Response:
        """Returns a model."""
        model = await run_in_threadpool(self._catalog.get_model, request.path_params["name"])
        return json_response(model_json(model, self._catalog.progress(model)))

    async def cancel_model(self, request: Request) -> Response:
        """Cancels a training; answers the model, because the official client needs JSON (contract §6, trap 5)."""
        model = await run_in_threadpool(self._catalog.cancel_model, request.path_params["name"])
        return json_response(model_json(model), 202)

    async def delete_model(self, request: Request) -> Response:
        """Deletes a finished model."""
        await run_in_threadpool(self._catalog.delete_model, request.path_params["name"])
        return Response(status_code=204)

    async def list_models(self, request: Request) -> Response:
        """Returns a page of models."""
        skip, top = check_page(query_of(request))
        models, more = await run_in_threadpool(self._catalog.list_models, skip, top)
        return page_response(
            request,
            [model_json(model, self._catalog.progress(model)) for model in models],
            skip + top if more else None,
        )

    async def put_evaluation(self, request: Request) -> Response:
        """Queues an evaluation; its spans will belong to this request's trace."""
        body = parse_body(await _json_body(request), EvaluationBody)
        model, name = request.path_params["model"], request.path_params["name"]
        evaluation = await run_in_threadpool(self._catalog.add_evaluation, model, name, body, current_traceparent())
        return json_response(evaluation_json(evaluation), 201)

    async def get_evaluation(self, request: Request) -> Response:
        """Returns an evaluation."""
        model, name = request.path_params["model"], request.path_params["name"]
        evaluation = await run_in_threadpool(self._catalog.get_evaluation, model, name)
        return json_response(evaluation_json(evaluation))

    async def delete_evaluation(self, request: Request) -> Response:
        """Deletes a finished evaluation."""
        model, name = request.path_params["model"], request.path_params["name"]
        await run_in_threadpool(self._catalog.delete_evaluation, model, name)
        return Response(status_code=204)

    async def list_evaluations(self, request: Request) -> Response:
        """Returns a page of a model's evaluations."""
        skip, top = check_page(query_of(request))
        model = request.path_params["model"]
        evaluations, more = await run_in_threadpool(self._catalog.list_evaluations, model, skip, top)
        values = [evaluation_json(evaluation) for evaluation in evaluations]
        return page_response(request, values, skip + top if more else None)


async def _json_body(request: Request) -> bytes:
    """Reads a JSON body, whatever media type it claims: the contract knows two, and clients send others (§1)."""
    return await read_body(request, MAX_JSON_BYTES, "The request body")


def _warning(body: DatasetBody) -> dict[str, str]:
    """Warns of the wrong key that clients send for `authentication`; the old service ignored it in silence (§6)."""
    if body.authentication_kind is None:
        return {}
    return {"Warning": '299 - "authenticationKind is ignored; send authentication: {kind, sasToken}"'}


def page_response(request: Request, values: list[dict[str, Any]], following: int | None) -> Response:
    """Answers a page; `nextLink` is absent on the last one (contract §1)."""
    body: dict[str, Any] = {"value": values}
    if following is not None:
        body["nextLink"] = str(request.url.include_query_params(skip=following))
    return json_response(body)
