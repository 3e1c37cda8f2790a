"""What was delivered and what has still to be: one sqlite file, so that no event is lost when the host dies.

`pending` holds each event from before its first attempt until it is done; `delivered` holds, per function and blob, the
ETag that was delivered last. Commits are not forced to disk (synchronous=NORMAL): they survive the death of the
process, and what a power cut takes back the next listing finds again.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS delivered (
    function TEXT NOT NULL, blob TEXT NOT NULL, etag TEXT NOT NULL, PRIMARY KEY (function, blob)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending (
    id INTEGER PRIMARY KEY, function TEXT NOT NULL, kind TEXT NOT NULL, blob TEXT NOT NULL, again INTEGER NOT NULL,
    etag TEXT NOT NULL DEFAULT '', attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL DEFAULT 0,
    running INTEGER NOT NULL DEFAULT 0, event TEXT NOT NULL DEFAULT '', trace TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS pending_due ON pending (running, due);
CREATE UNIQUE INDEX IF NOT EXISTS pending_once ON pending (function, blob)
    WHERE kind = 'blob' AND running = 0 AND again = 0;
"""
_SCHEMA_NUMBER: Final = 1
_COLUMNS: Final = "id, function, kind, blob, again, etag, attempts, event, trace"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one function.

    Attributes:
        kind: "blob": the function gets the blob as it is then; "event": it gets the Event Grid event.
        blob: `container/blob`.
        again: Delivered even when this version of the blob was delivered before.
        etag: The version that the attempts so far concerned.
        attempts: How often it failed with that version.
        event: The Event Grid event as JSON; empty for a blob.
        trace: The traceparent of all attempts.
    """

    id: int
    function: str
    kind: Literal["blob", "event"]
    blob: str
    again: bool
    etag: str
    attempts: int
    event: str
    trace: str


class Deliveries:
    """The deliveries of one host; used from one thread."""

    def __init__(self, path: Path) -> None:
        """Opens the file, or makes it; what was running when the host died waits again."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, autocommit=True)
        self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
        if self._database.execute("PRAGMA user_version").fetchone()[0] == 0:
            self._database.executescript(f"{_SCHEMA} PRAGMA user_version={_SCHEMA_NUMBER};")
        for delivery in self._select("running = 1"):
            self.postpone(delivery, due=0, etag=delivery.etag, attempts=delivery.attempts)

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def keep_only(self, functions: Iterable[str]) -> int:
        """Forgets functions that the app no longer has; returns how many events were waiting for them."""
        names = list(functions)
        marks = ",".join("?" * len(names))
        self._database.execute(f"DELETE FROM delivered WHERE function NOT IN ({marks})", names)  # noqa: S608 - marks only
        gone = self._database.execute(f"DELETE FROM pending WHERE function NOT IN ({marks})", names)  # noqa: S608 - ditto
        return gone.rowcount

    def expect_blobs(self, wanted: Iterable[tuple[str, str, str]], *, again: bool = False) -> None:
        """Notes that blobs were written, as (function, blob, traceparent).

        One that waits already, unstarted, is not noted twice, except when it is to be delivered `again`.
        """
        rows = [(function, "blob", blob, again, trace) for function, blob, trace in wanted]
        self._run_all("INSERT OR IGNORE INTO pending (function, kind, blob, again, trace) VALUES (?, ?, ?, ?, ?)", rows)

    def expect_event(self, functions: Iterable[str], blob: str, event: str, trace: str) -> None:
        """Notes that a blob was deleted: an event for each function; no version of the blob counts as delivered now."""
        rows = [(function, "event", blob, False, event, trace) for function in functions]
        self._run_all("INSERT INTO pending (function, kind, blob, again, event, trace) VALUES (?, ?, ?, ?, ?, ?)", rows)
        # Afterwards, not before: dying in between repeats the event at the next listing instead of losing it.
        self._database.execute("DELETE FROM delivered WHERE blob = ?", (blob,))

    def claim(self, limit: int, now: float) -> list[Delivery]:
        """Returns up to `limit` deliveries that are due, oldest first, and marks them as running."""
        due = f"SELECT {_COLUMNS} FROM pending WHERE running = 0 AND due <= ? ORDER BY due, id LIMIT ?"  # noqa: S608 - constant
        found = [_delivery(row) for row in self._database.execute(due, (now, limit))]
        self._run_all("UPDATE pending SET running = 1 WHERE id = ?", [(delivery.id,) for delivery in found])
        return found

    def done(self, delivery: Delivery, etag: str = "") -> None:
        """Notes that a delivery needs no more attempts; `etag` is the blob version that counts as delivered now."""
        if etag:
            self._database.execute(
                "INSERT OR REPLACE INTO delivered (function, blob, etag) VALUES (?, ?, ?)",
                (delivery.function, delivery.blob, etag),
            )
        self._database.execute("DELETE FROM pending WHERE id = ?", (delivery.id,))

    def postpone(self, delivery: Delivery, *, due: float, etag: str, attempts: int) -> None:
        """Lets a delivery wait for its next attempt; a newer hint for the same blob takes over its count."""
        change = "UPDATE OR IGNORE pending SET running = 0, due = ?, etag = ?, attempts = ? WHERE id = ?"
        if self._database.execute(change, (due, etag, attempts, delivery.id)).rowcount:
            return
        self._database.execute(
            "UPDATE pending SET due = ?, etag = ?, attempts = ? "
            "WHERE function = ? AND blob = ? AND kind = 'blob' AND running = 0 AND again = 0",
            (due, etag, attempts, delivery.function, delivery.blob),
        )
        self._database.execute("DELETE FROM pending WHERE id = ?", (delivery.id,))

    def next_due(self) -> float | None:
        """Returns when the next waiting delivery is due, None when none waits."""
        due: float | None = self._database.execute("SELECT min(due) FROM pending WHERE running = 0").fetchone()[0]
        return due

    def etag(self, function: str, blob: str) -> str | None:
        """Returns the version of a blob that a function was given last."""
        found = self._database.execute("SELECT etag FROM delivered WHERE function = ? AND blob = ?", (function, blob))
        row = found.fetchone()
        return row[0] if row else None

    def known(self, function: str) -> Mapping[str, str]:
        """Returns the ETag delivered last of every blob of a function; "" for blobs that wait for a delivery."""
        delivered = dict(self._database.execute("SELECT blob, etag FROM delivered WHERE function = ?", (function,)))
        waiting = self._database.execute(
            "SELECT blob, '' FROM pending WHERE kind = 'blob' AND function = ?", (function,)
        )
        return {**delivered, **dict(waiting)}

    def _select(self, condition: str) -> list[Delivery]:
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM pending WHERE {condition}")  # noqa: S608 - constants only
        return [_delivery(row) for row in rows]

    def _run_all(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Runs one statement for all rows in one transaction."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            self._database.executemany(statement, rows)
        except sqlite3.Error:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


def _delivery(row: tuple[int, str, Literal["blob", "event"], str, int, str, int, str, str]) -> Delivery:
    number, function, kind, blob, again, etag, attempts, event, trace = row
    return Delivery(number, function, kind, blob, bool(again), etag, attempts, event, trace)
