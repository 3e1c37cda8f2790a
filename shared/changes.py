"""The change queue: hints that a path may have changed. A change is a hint, never an order (design §3)."""

import logging
from collections import defaultdict
from collections.abc import Collection, Sequence

import msgspec

from shared import layout, limits
from shared.layout import PicturePath
from shared.pictures import Facts
from shared.storage import QueueMessage

_log = logging.getLogger("darkroom.changes")


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


class ChangeBatch:
    """Messages grouped by the dataset they speak of; None stands for paths that no dataset owns."""

    def __init__(self, messages: Sequence[QueueMessage]) -> None:
        self.groups: dict[str | None, list[ChangeRecord]] = defaultdict(list)
        self._messages: dict[str | None, list[tuple[str, QueueMessage]]] = defaultdict(list)  # each with its path
        for message in messages:
            record = decode_change(message.body)
            where = layout.parse_picture_path(record.path) if record else None
            dataset = where.dataset if isinstance(where, PicturePath) else None
            self._messages[dataset].append((record.path if record else "", message))
            if record is None:
                _log.error("dropped message %s of the queue, which is none of ours: %.200s", message.id, message.body)
            else:
                self.groups[dataset].append(record)

    @property
    def finished(self) -> list[QueueMessage]:
        """The messages that may be deleted."""
        return [message for group in self._messages.values() for _, message in group]

    def keep(self, dataset: str | None, paths: Collection[str] | None = None) -> None:
        """Let the messages of a dataset come back: all of them, or those about some paths."""
        rest = [entry for entry in self._messages.pop(dataset, ()) if paths is not None and entry[0] not in paths]
        self._messages[dataset] = rest
