"""Keeps data sets, models and evaluations in one SQLite file, so that nothing is forgotten when a process dies.

A table holds one JSON document per record, and beside it the few columns that are searched. Every change is one
transaction that is on the disk before the call returns (WAL, synchronous=FULL).
"""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
from msgspec.structs import replace

from engine.errors import AlreadyExistsError, NotFoundError, StartError
from engine.records import Dataset, Evaluation, Model, Status

SCHEMA = 1

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
    """One connection, shared by the threads of the engine; transactions are taken one at a time."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        schema = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if schema not in (0, SCHEMA):
            self._connection.close()
            raise StartError(f"{path} has schema {schema}, this engine reads {SCHEMA}. Use the engine that wrote it.")
        if schema == 0:
            with self.transaction() as connection:
                for name in ("datasets", "models", "evaluations"):
                    connection.execute(_TABLE.format(name=name))
                connection.execute(f"PRAGMA user_version = {SCHEMA}")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; a transaction inside a transaction joins it."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Closes the file; further calls fail."""
        with self._lock:
            self._connection.close()


class Table[Record: (Dataset, Model, Evaluation)]:
    """Records of one kind, in the order in which they were added.

    `parent` is the model's name for an evaluation, and empty for the other kinds.
    """

    def __init__(self, database: Database, name: str, record_type: type[Record], word: str) -> None:
        self._database = database
        self._name = name
        self._decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(record_type)
        self._word = word

    def add(self, record: Record) -> Record:
        """Stores a new record and returns it with its id.

        Raises:
            AlreadyExistsError: The name is taken.
        """
        with self._database.transaction() as connection:
            try:
                cursor = connection.execute(
                    f"INSERT INTO {self._name} (parent, name, status, record) VALUES (?, ?, ?, ?)",  # noqa: S608 - our own table name
                    (_parent(record), record.name, _status(record), msgspec.json.encode(record)),
                )
            except sqlite3.IntegrityError as exc:
                raise AlreadyExistsError(
                    f"The {self._word} '{record.name}' exists already and is never overwritten. Choose another name.",
                    code=f"{self._word.capitalize()}AlreadyExists",
                ) from exc
            return replace(record, id=cursor.lastrowid)

    def find(self, name: str, parent: str = "") -> Record | None:
        """Returns the record, or None."""
        with self._database.transaction() as connection:
            row = connection.execute(
                f"SELECT id, record FROM {self._name} WHERE parent = ? AND name = ?",  # noqa: S608 - our own table name
                (parent, name),
            ).fetchone()
        return None if row is None else self._read(row)

    def get(self, name: str, parent: str = "") -> Record:
        """Returns the record.

        Raises:
            NotFoundError: Nothing has this name.
        """
        record = self.find(name, parent)
        if record is None:
            place = f" of model '{parent}'" if parent else ""
            raise NotFoundError(f"There is no {self._word} '{name}'{place}.", code=f"{self._word.capitalize()}NotFound")
        return record

    def change(self, name: str, edit: Callable[[Record], Record], parent: str = "") -> Record:
        """Replaces a record by `edit(record)`, in one transaction; what `edit` raises leaves it as it was."""
        with self._database.transaction() as connection:
            record = edit(self.get(name, parent))
            connection.execute(
                f"UPDATE {self._name} SET status = ?, record = ? WHERE id = ?",  # noqa: S608 - our own table name
                (_status(record), msgspec.json.encode(record), record.id),
            )
            return record

    def revise(self, record: Record, edit: Callable[[Record], Record]) -> Record | None:
        """Changes a record that was read earlier; None when it is gone, or another one has its name by now."""
        with self._database.transaction():
            found = self.find(record.name, _parent(record))
            if found is None or found.id != record.id:
                return None
            return self.change(record.name, edit, _parent(record))

    def remove(self, name: str, check: Callable[[Record], None], parent: str = "") -> Record:
        """Removes a record unless `check(record)` raises, and returns it."""
        with self._database.transaction() as connection:
            record = self.get(name, parent)
            check(record)
            connection.execute(f"DELETE FROM {self._name} WHERE id = ?", (record.id,))  # noqa: S608 - our own table name
            return record

    def remove_all(self, parent: str) -> list[Record]:
        """Removes all records of a parent, and returns them."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                f"DELETE FROM {self._name} WHERE parent = ? RETURNING id, record",  # noqa: S608 - our own table name
                (parent,),
            ).fetchall()
        return [self._read(row) for row in rows]

    def page(self, skip: int, top: int, parent: str = "") -> tuple[list[Record], bool]:
        """Returns up to `top` records after the first `skip`, and whether more follow."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                f"SELECT id, record FROM {self._name} WHERE parent = ? ORDER BY id LIMIT ? OFFSET ?",  # noqa: S608 - our own table name
                (parent, top + 1, skip),
            ).fetchall()
        return [self._read(row) for row in rows[:top]], len(rows) > top

    def having(self, *statuses: Status) -> list[Record]:
        """Returns all records in one of these states, oldest first."""
        marks = ", ".join("?" * len(statuses))
        with self._database.transaction() as connection:
            rows = connection.execute(
                f"SELECT id, record FROM {self._name} WHERE status IN ({marks}) ORDER BY id",  # noqa: S608 - our own table name
                statuses,
            ).fetchall()
        return [self._read(row) for row in rows]

    def _read(self, row: tuple[int, bytes]) -> Record:
        return replace(self._decoder.decode(row[1]), id=row[0])


class Store:
    """The engine's memory: three tables in `engine.sqlite3` under the data folder, which it holds alone.

    Raises:
        StartError: Another engine uses the folder, or the file is of another schema.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._claim = _claim_folder(folder)
        try:
            self._database = Database(folder / "engine.sqlite3")
        except StartError:
            self._claim.close()
            raise
        self.datasets = Table(self._database, "datasets", Dataset, "dataset")
        self.models = Table(self._database, "models", Model, "model")
        self.evaluations = Table(self._database, "evaluations", Evaluation, "evaluation")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Makes several changes one."""
        with self._database.transaction():
            yield

    def close(self) -> None:
        """Closes the file and gives the folder free."""
        self._database.close()
        self._claim.close()


def _status(record: Dataset | Model | Evaluation) -> str:
    return "" if isinstance(record, Dataset) else record.status


def _parent(record: Dataset | Model | Evaluation) -> str:
    return record.model_name if isinstance(record, Evaluation) else ""


def _claim_folder(folder: Path) -> IO[str]:
    """Locks the folder for this process; the lock ends with the process, however it ends."""
    claim = (folder / "engine.lock").open("a+")
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        claim.seek(0)
        holder = claim.read().strip() or "unknown"
        claim.close()
        raise StartError(
            f"Another engine (process {holder}) uses {folder}. Stop it, or set ENGINE_DATA to another folder."
        ) from exc
    claim.truncate(0)
    claim.write(str(os.getpid()))
    claim.flush()
    return claim
