"""What several operations share: parameters, headers, refusals."""

from typing import Any

from engine.openapi.schemas import NAME
from engine.openapi.shapes import ref
from engine.rules import DEFAULT_TOP, MAX_SKIP, MAX_TOP
from engine.wire import GA_VERSIONS, PREVIEW_VERSIONS

type Json = dict[str, Any]

REQUEST_ID = {
    "x-ms-request-id": {"$ref": "#/components/headers/requestId"},
    "x-ms-client-request-id": {"$ref": "#/components/headers/clientRequestId"},
}
_REFUSALS = {
    "400": "The request cannot be understood, or is not allowed in this state.",
    "401": "The key is missing or wrong.",
    "404": "Nothing has this name.",
    "409": "The name is taken, or the model is not ready for this.",
    "412": "`If-Match` names another revision.",
    "429": "Too many calls wait already; `Retry-After` says in how many seconds to try again.",
    "500": "The engine failed; its log says why.",
}


def parameters() -> Json:
    """Returns the shared parameters by the name under which `parameter` refers to them."""
    name = {"type": "string", "pattern": NAME}
    return {
        "apiVersion": {
            "name": "api-version",
            "in": "query",
            "required": True,
            "description": "Any casing. The previews are the contract's; the others answer alike, for the GA SDK.",
            "schema": {"type": "string", "enum": [*PREVIEW_VERSIONS, *GA_VERSIONS]},
            "example": PREVIEW_VERSIONS[-1],
        },
        "name": {"name": "name", "in": "path", "required": True, "schema": name},
        "model": {"name": "model", "in": "path", "required": True, "description": "The model's name.", "schema": name},
        "skip": {
            "name": "skip",
            "in": "query",
            "schema": {"type": "integer", "minimum": 0, "maximum": MAX_SKIP, "default": 0},
        },
        "top": _top(MAX_TOP),
        "longTop": _top(1000),
        "ifMatch": {
            "name": "If-Match",
            "in": "header",
            "description": "The eTag that the data set must have; `*` or none for whatever it has.",
            "schema": {"type": "string"},
        },
    }


def _top(most: int) -> Json:
    return {
        "name": "top",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": most, "default": DEFAULT_TOP},
    }


def parameter(name: str) -> Json:
    """Refers to a shared parameter."""
    return {"$ref": f"#/components/parameters/{name}"}


def headers() -> Json:
    """Returns the shared response headers."""
    return {
        "requestId": {
            "description": "The request's trace id.",
            "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        },
        "clientRequestId": {
            "description": "The caller's own, when it sent 1 to 128 printable ASCII characters.",
            "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
        },
        "errorCode": {"description": "The error's code.", "required": True, "schema": {"type": "string"}},
        "retryAfter": {
            "description": "Seconds.",
            "required": True,
            "schema": {"type": "string", "pattern": "^[0-9]+$"},
        },
        "warning": {"description": "What of the body was ignored (RFC 7234 §5.5).", "schema": {"type": "string"}},
    }


def responses() -> Json:
    """Returns the refusals, by status."""
    head = {"x-ms-error-code": {"$ref": "#/components/headers/errorCode"}} | REQUEST_ID
    waits = head | {"Retry-After": {"$ref": "#/components/headers/retryAfter"}}
    return {
        f"refusal{status}": {
            "description": text,
            "headers": waits if status == "429" else head,
            "content": json_content(ref("ErrorResponse")),
        }
        for status, text in _REFUSALS.items()
    }


def refusals(*statuses: int) -> Json:
    """Refers to refusals."""
    return {str(status): {"$ref": f"#/components/responses/refusal{status}"} for status in statuses}


def json_content(schema: Json) -> Json:
    """Describes a JSON answer."""
    return {"application/json": {"schema": schema}}


def json_body(schema: Json) -> Json:
    """Describes a JSON request body under both of the contract's media types."""
    content = {kind: {"schema": schema} for kind in ("application/json", "application/json-patch+json")}
    return {"required": True, "content": content}


def answer(description: str, schema: Json | None = None, **more: Json) -> Json:
    """Describes a success; `more` are headers beside the request's ids."""
    body: Json = {"description": description, "headers": REQUEST_ID | more}
    return body if schema is None else body | {"content": json_content(schema)}
