"""The pieces that the document's schemas are made of."""

from typing import Any

type Json = dict[str, Any]

TEXT: Json = {"type": "string"}
TEXT_OR_NULL: Json = {"type": ["string", "null"]}
SHARE: Json = {"type": "number", "minimum": 0, "maximum": 1}
COUNT: Json = {"type": "integer", "minimum": 0}


def ref(name: str) -> Json:
    """Refers to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def closed(required: Json, **optional: Json) -> Json:
    """An object with exactly these properties."""
    return {
        "type": "object",
        "required": list(required),
        "properties": required | optional,
        "additionalProperties": False,
    }


def list_of(items: Json, **bounds: int) -> Json:
    """An array."""
    return {"type": "array", "items": items} | bounds


def map_of(values: Json) -> Json:
    """An object with any keys."""
    return {"type": "object", "additionalProperties": values}
