"""One SQLite file as the engine uses it: a connection that writes, and one beside it that reads what is committed."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import StartError

SCHEMA = 1
BUSY_SECONDS = 2.0  # the file is ours alone; only a backup or a curious reader may hold it for a moment

_TABLE = """
CREATE TABLE {name} (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    parent  TEXT NOT NULL,
    name    TEXT NOT NULL,
    status  TEXT NOT NULL,
    record  BLOB NOT NULL,
    UNIQUE (parent, name)
) STRICT
"""


class Database:
    """Two connections, shared by the threads of the engine.

    Transactions are taken one at a time. Reads outside of one do not wait for it, however long it is: in WAL mode they
    see what was committed before it.

    Raises:
        StartError: The file is of another schema, no database, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._writing = threading.RLock()
        self._reading = threading.Lock()
        self._writer: int | None = None  # the thread that is in a transaction
        self._reader: sqlite3.Connection | None = None
        self._connection = _connect(path)
        try:
            self._open(path)
        except sqlite3.Error as exc:
            self.close()
            raise StartError(
                f"{path} cannot be used ({exc}). Put a copy of it back, or move it away to begin anew."
            ) from exc
        except StartError:
            self.close()
            raise

    def _open(self, path: Path) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        schema = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if schema not in (0, SCHEMA):
            raise StartError(f"{path} has schema {schema}, this engine reads {SCHEMA}. Use the engine that wrote it.")
        if schema == 0:
            with self.transaction() as connection:
                for name in ("datasets", "models", "evaluations"):
                    connection.execute(_TABLE.format(name=name))
                connection.execute(f"PRAGMA user_version = {SCHEMA}")
        self._reader = _connect(path)
        self._reader.execute("PRAGMA query_only = ON")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, on the disk when it is left; a transaction inside a transaction joins it.

        Raises:
            sqlite3.Error: The disk is full, or another process holds the file; nothing has changed.
        """
        with self._writing:
            if self._writer is not None:
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            self._writer = threading.get_ident()
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite may have rolled back by itself, as when the disk is full
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._writer = None

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Lends a connection for one read; inside a transaction its own, which sees what it has changed."""
        if self._writer == threading.get_ident() or self._reader is None:
            yield self._connection
            return
        with self._reading:
            yield self._reader

    def close(self) -> None:
        """Closes the file; further calls fail."""
        with self._reading, self._writing:
            if self._reader is not None:
                self._reader.close()
            self._connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None)
