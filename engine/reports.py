"""The extension's operations on what models said of test pictures: predictions in pages, and reports."""

from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from engine.artifacts import report_path
from engine.catalog import Catalog
from engine.endpoints import page_response
from engine.errors import NotFoundError, NotReadyError
from engine.orders import JobPlace
from engine.predictions import read_predictions
from engine.records import Status
from engine.rules import check_page
from engine.wire import query_of

MOST_PREDICTIONS = 1000  # of pictures in a page


class Reports:
    """One method per operation; files are read in threads."""

    def __init__(self, catalog: Catalog, place: JobPlace) -> None:
        self._catalog = catalog
        self._place = place

    async def list_predictions(self, request: Request) -> Response:
        """Returns a page of what the model said of each picture of an evaluation; of many labels, a shorter one."""
        skip, top = check_page(query_of(request), most=MOST_PREDICTIONS)
        model, name = request.path_params["model"], request.path_params["name"]
        values, more = await run_in_threadpool(self._predictions, model, name, skip, top)
        return page_response(request, values, skip + len(values) if more else None)

    async def get_evaluation_report(self, request: Request) -> Response:
        """Returns the report of an evaluation."""
        model, name = request.path_params["model"], request.path_params["name"]
        return await run_in_threadpool(lambda: _report(self._evaluation(model, name), f"Evaluation '{name}'"))

    async def get_model_report(self, request: Request) -> Response:
        """Returns the report of a model's training, on its test set or from cross-validation."""
        name = request.path_params["name"]
        return await run_in_threadpool(lambda: _report(self._model(name), f"Model '{name}'"))

    def _predictions(self, model: str, name: str, skip: int, top: int) -> tuple[list[dict[str, Any]], bool]:
        try:
            return read_predictions(self._evaluation(model, name), skip, top)
        except (OSError, ValueError, EOFError) as exc:
            raise _nothing_kept(f"Evaluation '{name}'") from exc

    def _evaluation(self, model: str, name: str) -> Path:
        """Returns the folder of an evaluation that has succeeded."""
        evaluation = self._catalog.get_evaluation(model, name)
        if evaluation.status is not Status.SUCCEEDED:
            raise NotReadyError(
                f"Evaluation '{name}' of model '{model}' is {evaluation.status}; only a succeeded one has predictions "
                "and a report.",
                code="EvaluationNotReady",
            )
        return self._place.evaluation(model, name)

    def _model(self, name: str) -> Path:
        """Returns the folder of a model that has succeeded."""
        model = self._catalog.get_model(name)
        if model.status is not Status.SUCCEEDED:
            raise NotReadyError(f"Model '{name}' is {model.status}; only a succeeded one has a report.")
        return self._place.model(name)


def _report(folder: Path, what: str) -> Response:
    try:
        return Response(report_path(folder).read_bytes(), media_type="application/json")
    except OSError as exc:
        raise _nothing_kept(what) from exc


def _nothing_kept(what: str) -> NotFoundError:
    return NotFoundError(
        f"{what} has kept no predictions and no report: it was measured by an earlier version of the engine, or was "
        "deleted just now. Evaluate the model once more under a new name.",
        code="ReportNotFound",
    )
