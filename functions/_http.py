"""Translates between HTTP and the domain: the only place where functions catch errors."""

import json
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

import azure.functions as func

from shared.errors import DarkroomError, http_status

_log = logging.getLogger("darkroom.http")


def json_response(body: Any, *, status: int = 200) -> func.HttpResponse:
    """Answer with JSON."""
    return func.HttpResponse(json.dumps(body), status_code=status, mimetype="application/json")


def error_response(error: DarkroomError) -> func.HttpResponse:
    """Answer with the one error shape of the contract (§5) and its header."""
    details: dict[str, Any] = {"code": error.code, "message": str(error)}
    if error.inner_code is not None:
        details["innererror"] = {"code": error.inner_code, "message": str(error)}
    response = json_response({"error": details}, status=http_status(error))
    response.headers["x-ms-error-code"] = error.code
    return response


def answers_errors[**P](function: Callable[P, func.HttpResponse]) -> Callable[P, func.HttpResponse]:
    """Turn the domain's errors into responses; whatever else goes wrong is the host's to report."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> func.HttpResponse:
        try:
            return function(*args, **kwargs)
        except DarkroomError as error:
            if http_status(error) >= 500:
                _log.exception("%s failed", function.__name__)
            return error_response(error)

    return wrapped
