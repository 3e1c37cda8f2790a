"""The wire's request bodies: JSON in, in any key casing, with the liberties that the old service took (contract §1)."""

import re

import msgspec

from engine.errors import InvalidRequestError
from engine.records import AuthenticationKind

MAX_DEPTH = 16  # the contract's bodies are three deep
MAX_LENIENT_BYTES = 65_536  # what people write by hand is short; reading it takes about a microsecond a byte

# The docs' own examples have single quotes and trailing commas. A string that never ends takes all the rest, or else
# looking for its end again and again would cost the square of the body's length.
_LENIENCES = re.compile(
    r"""(?P<kept>"(?:[^"\\]|\\.)*+")|'(?P<single>(?:[^'\\]|\\.)*+)'|(?P<endless>["'].*)|,(?=\s*+[}\]])""", re.DOTALL
)
_IN_SINGLE_QUOTES = re.compile(r"""\\'|\\.|[^\\]""", re.DOTALL)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class AuthenticationBody(msgspec.Struct, rename="camel"):
    """`authentication` of a data set."""

    kind: str = AuthenticationKind.NONE
    sas_token: str | None = None


class DatasetBody(msgspec.Struct, rename="camel"):
    """The body of PUT and PATCH datasets; what is absent is None."""

    annotation_kind: str | None = None
    annotation_file_uris: list[str] | None = None
    authentication: AuthenticationBody | None = None
    custom_properties: dict[str, str] | None = None
    authentication_kind: object = None  # no property of the contract, but clients send it (§6, end)


class TrainingParametersBody(msgspec.Struct, rename="camel"):
    """`trainingParameters` of a model."""

    training_dataset_name: str
    time_budget_in_hours: int | float
    model_kind: str | None = None


class EvaluationParametersBody(msgspec.Struct, rename="camel"):
    """`evaluationParameters` of a model or an evaluation."""

    test_dataset_name: str


class ModelBody(msgspec.Struct, rename="camel"):
    """The body of PUT models."""

    training_parameters: TrainingParametersBody
    evaluation_parameters: EvaluationParametersBody | None = None


class EvaluationBody(msgspec.Struct, rename="camel"):
    """The body of PUT evaluations."""

    evaluation_parameters: EvaluationParametersBody


class UrlBody(msgspec.Struct):
    """The JSON body of analyze."""

    url: str


_KEYS = {
    name.lower(): name
    for body in (AuthenticationBody, DatasetBody, TrainingParametersBody, EvaluationParametersBody, ModelBody, UrlBody)
    for name in body.__struct_encode_fields__
}


def parse_body[Body: msgspec.Struct](content: bytes, body_type: type[Body]) -> Body:
    """Reads a JSON object, whatever the casing of its keys.

    Keys we do not know are ignored; of a key that comes twice, the last counts. A byte order mark, strings in single
    quotes and trailing commas are understood.

    Raises:
        InvalidRequestError: Not JSON, or not of this shape, or deeper than MAX_DEPTH; names the key.
    """
    try:
        return msgspec.convert(_named(_decoded(content.removeprefix(_BYTE_ORDER_MARK))), body_type)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidRequestError(f"The request body is not what the operation takes: {exc}.") from exc
    except RecursionError as exc:
        raise InvalidRequestError(f"The request body is nested deeper than {MAX_DEPTH} levels.") from exc


def _decoded(content: bytes) -> object:
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        text = content.decode() if len(content) <= MAX_LENIENT_BYTES else ""
        lenient = _LENIENCES.sub(_strict, text)
        if lenient == text:
            raise
        return msgspec.json.decode(lenient)


def _strict(match: re.Match[str]) -> str:
    """Returns strict JSON for a string, or nothing for a trailing comma."""
    single = match["single"]
    if single is None:
        return match["kept"] or match["endless"] or ""
    requoted = {"\\'": "'", '"': '\\"'}
    return '"' + "".join(requoted.get(piece, piece) for piece in _IN_SINGLE_QUOTES.findall(single)) + '"'


def _named(value: object, depth: int = 1) -> object:
    """Gives keys the contract's casing, except those that are the caller's own (customProperties)."""
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, list):
        return [_named(inner, depth + 1) for inner in value]
    if not isinstance(value, dict):
        return value
    named = {}
    for key, inner in value.items():
        name = _KEYS.get(key.lower(), key)
        named[name] = inner if name == "customProperties" else _named(inner, depth + 1)
    return named
