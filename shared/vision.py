"""The client of the engine: the wire contract (contract §2, §4) over httpx, every failure one of ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pydantic
import stamina

from shared import telemetry
from shared.errors import VisionRefusedError, VisionUnavailableError
from shared.kinds import Kind
from shared.wire import API_VERSION, ErrorBody, ErrorDetails, Evaluation, Model

ATTEMPTS: Final = 3
TIMEOUT: Final = httpx.Timeout(15, connect=5)  # of calls that only read or write a record at the engine
ANALYZE_TIMEOUT: Final = httpx.Timeout(60, connect=5)  # the first call of a model loads it
# The second is the engine's own extension of the contract: any number of labels a picture.
ANNOTATION_KINDS: Final[Mapping[Kind, str]] = {
    "classification": "imageClassification",
    "multilabel": "imageMultilabelClassification",
    "detection": "imageObjectDetection",
}
MODEL_KINDS: Final[Mapping[Kind, str]] = {
    "classification": "Generic-Classifier",
    "multilabel": "Generic-Classifier",
    "detection": "Generic-Detector",
}


@dataclass(frozen=True, slots=True)
class Analysis:
    """An answer of ``imageanalysis:analyze``, passed on as it is."""

    body: bytes
    content_type: str


class VisionClient:
    """Calls to one engine. Safe to share between threads."""

    def __init__(self, client: httpx.Client, key: str) -> None:
        """Take a client whose base URL is the engine's, without a path."""
        self._client = client
        self._key = key

    def put_dataset(self, name: str, *, kind: Kind, annotation_url: str, signature: str | None) -> None:
        """Register one side of a snapshot; a name that exists gets the fresh signature (contract §2.1)."""
        body = {
            "annotationKind": ANNOTATION_KINDS[kind],
            "annotationFileUris": [annotation_url],
            "authentication": {"kind": "sas", "sasToken": signature} if signature else {"kind": "none"},
        }
        try:
            self._call("PUT", f"/datasets/{name}", json=body)
        except VisionRefusedError as error:
            if error.status != httpx.codes.CONFLICT:
                raise
            self._call("PATCH", f"/datasets/{name}", json=body)

    def put_model(self, name: str, *, kind: Kind, train: str, test: str | None, budget_hours: int) -> None:
        """Start training; a no-op when the name exists, so that it may be called again (contract §2.2)."""
        body: dict[str, Any] = {
            "trainingParameters": {
                "trainingDatasetName": train,
                "timeBudgetInHours": budget_hours,
                "modelKind": MODEL_KINDS[kind],
            }
        }
        if test is not None:
            body["evaluationParameters"] = {"testDatasetName": test}
        self._put_once(f"/models/{name}", body)

    def model(self, name: str) -> Model | None:
        """Return a model, or None when the engine does not know it."""
        answer = self._get(f"/models/{name}")
        return None if answer is None else _parse(Model, answer)

    def cancel_model(self, name: str) -> None:
        """Ask for a training to be cancelled."""
        self._call("POST", f"/models/{name}:cancel")

    def put_evaluation(self, model: str, name: str, *, test: str) -> None:
        """Start an evaluation; a no-op when the name exists (contract §2.4)."""
        self._put_once(f"/models/{model}/evaluations/{name}", {"evaluationParameters": {"testDatasetName": test}})

    def evaluation(self, model: str, name: str) -> Evaluation | None:
        """Return an evaluation, or None when the engine knows neither it nor its model."""
        answer = self._get(f"/models/{model}/evaluations/{name}")
        return None if answer is None else _parse(Evaluation, answer)

    def analyze(self, model: str, body: bytes, *, content_type: str, query: Mapping[str, str]) -> Analysis:
        """Ask a model about a picture.

        Args:
            model: The model's name.
            body: The picture, or a JSON object with its URL.
            content_type: As the caller sent it.
            query: The caller's other query parameters; `api-version` and `features` among them.
        """
        answer = self._call(
            "POST",
            "/imageanalysis:analyze",
            params={"api-version": API_VERSION, **query, "model-name": model},
            content=body,
            headers={"Content-Type": content_type},
            timeout=ANALYZE_TIMEOUT,
        )
        return Analysis(answer.content, answer.headers.get("Content-Type", "application/json"))

    def _put_once(self, path: str, body: Mapping[str, Any]) -> None:
        try:
            self._call("PUT", path, json=body)
        except VisionRefusedError as error:
            if error.status != httpx.codes.CONFLICT:
                raise

    def _get(self, path: str) -> httpx.Response | None:
        try:
            return self._call("GET", path)
        except VisionRefusedError as error:
            if error.status == httpx.codes.NOT_FOUND:
                return None
            raise

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: httpx.Timeout = TIMEOUT,
        **body: Any,
    ) -> httpx.Response:
        """Call the engine; connection errors, 429 and 5xx are tried again. Every call of this class may be repeated."""
        all_headers = {"Ocp-Apim-Subscription-Key": self._key, **(headers or {})}
        if traceparent := telemetry.current_traceparent():
            all_headers["traceparent"] = traceparent
        for attempt in stamina.retry_context(
            on=VisionUnavailableError, attempts=ATTEMPTS, timeout=None, wait_initial=0.2
        ):
            with attempt:
                try:
                    answer = self._client.request(
                        method,
                        f"/computervision{path}",
                        params=params or {"api-version": API_VERSION},
                        headers=all_headers,
                        timeout=timeout,
                        **body,
                    )
                except httpx.HTTPError as error:
                    kind = type(error).__name__
                    raise VisionUnavailableError(
                        f"the engine at {self._client.base_url} does not answer ({kind})"
                    ) from error
                return self._checked(answer)
        raise VisionUnavailableError("the engine was not called")  # stamina makes at least one attempt

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        error = _error_of(answer)
        message = f"the engine answered {answer.status_code}: {error.message}"
        if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise VisionUnavailableError(message)
        inner = error.innererror.code if error.innererror else None
        raise VisionRefusedError(error.message, status=answer.status_code, inner_code=inner)


def _error_of(answer: httpx.Response) -> ErrorDetails:
    try:
        return ErrorBody.model_validate_json(answer.content).error
    except pydantic.ValidationError:
        return ErrorDetails(code=str(answer.status_code), message=answer.text[:200])


def _parse[T: pydantic.BaseModel](kind: type[T], answer: httpx.Response) -> T:
    try:
        return kind.model_validate_json(answer.content)
    except pydantic.ValidationError as error:
        raise VisionUnavailableError(
            f"the engine's answer is not a {kind.__name__}: {error.errors()[0]['msg']}"
        ) from error
