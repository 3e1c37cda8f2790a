"""The change queue: hints that a path may have changed. A change is a hint, never an order (design §3)."""

import msgspec

from shared import limits
from shared.pictures import Facts


class ChangeRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message: look at this path again.

    Attributes:
        path: The blob's path in the training container.
        facts: What a reader found there, good only while the blob's ETag is `facts.etag`; None when nobody looked.
        traceparent: W3C trace context of the event, so that one trace goes from upload to promotion.
    """

    path: str
    facts: Facts | None = None
    traceparent: str = ""


def encode_change(record: ChangeRecord) -> str:
    """Encode a record; facts that would not fit into 1 KB are left out, and the fold reads the picture again."""
    body = msgspec.json.encode(record)
    if len(body) > limits.CHANGE_RECORD_BYTES:
        body = msgspec.json.encode(ChangeRecord(path=record.path, traceparent=record.traceparent))
    return body.decode()


def decode_change(body: str) -> ChangeRecord | None:
    """Decode a record; None for a message that is not one of ours."""
    try:
        return msgspec.json.decode(body, type=ChangeRecord)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return None
