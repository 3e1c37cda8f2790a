"""Puts the OpenAPI document together."""

from typing import Any

from engine import __version__
from engine.openapi.operations import operations
from engine.openapi.parts import headers, parameters, responses
from engine.openapi.schemas import schemas
from engine.wire import KEY_HEADER

_ABOUT = """\
The contract of Azure Image Analysis 4.0 model customization (2023-04-01-preview), answered by a self-hosted engine.

Request bodies may have their keys in any casing and come under any media type, single quotes, trailing commas. \
Keys and query parameters that are not described are ignored, of repeated ones the last counts, and `null` is absence. \
A repeated `/` in a path is one. Every error has the same shape and its code in the header `x-ms-error-code`; \
an unknown path is a 404, an unknown method of a known path a 405 with `Allow`, and a GET may be asked as HEAD."""


def document() -> dict[str, Any]:
    """Returns the OpenAPI 3.1 document, made of JSON values only."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Darkroom engine", "version": __version__, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "tags": [{"name": name} for name in ("engine", "datasets", "models", "evaluations", "analyze")],
        "paths": operations(),
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": KEY_HEADER}},
            "schemas": schemas(),
            "parameters": parameters(),
            "headers": headers(),
            "responses": responses(),
        },
    }
