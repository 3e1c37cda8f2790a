"""Keeps data sets, models and evaluations in one SQLite file, so that nothing is forgotten when a process dies.

A table holds one JSON document per record, and beside it the few columns that are searched. Every change is one
transaction that is on the disk before the call returns (WAL, synchronous=FULL); reads do not wait for it.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
from msgspec.structs import replace

from engine.database import Database
from engine.errors import AlreadyExistsError, NotFoundError, StartError
from engine.queueing import Line
from engine.records import Dataset, Evaluation, Model, Status

# Where a job's record names its data set, as SQLite sees it; the index and the query must say it alike.
_DATASET = "json_extract(CAST(record AS TEXT), '$.{field}')"


class Table[Record: (Dataset, Model, Evaluation)]:
    """Records of one kind, in the order in which they were added.

    `parent` is the model's name for an evaluation, and empty for the other kinds.

    Args:
        database: Where the table lies.
        name: Of the table.
        record_type: What it holds.
        word: What messages call a record.
        queued_by: The field with the data set's name, for records that are jobs; `lines` needs it.
    """

    def __init__(
        self, database: Database, name: str, record_type: type[Record], word: str, *, queued_by: str | None = None
    ) -> None:
        self._database = database
        self._name = name
        self._dataset = _DATASET.format(field=queued_by)
        if queued_by is not None:
            with database.transaction() as connection:
                connection.execute(
                    f"CREATE INDEX IF NOT EXISTS {name}_waiting ON {name} ({self._dataset}, id) "
                    f"WHERE status = '{Status.NOT_STARTED}'"
                )
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
        with self._database.snapshot() as connection:
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
        with self._database.snapshot() as connection:
            rows = connection.execute(
                f"SELECT id, record FROM {self._name} WHERE parent = ? ORDER BY id LIMIT ? OFFSET ?",  # noqa: S608 - our own table name
                (parent, top + 1, skip),
            ).fetchall()
        return [self._read(row) for row in rows[:top]], len(rows) > top

    def having(self, *statuses: Status) -> list[Record]:
        """Returns all records in one of these states, oldest first."""
        marks = ", ".join("?" * len(statuses))
        with self._database.snapshot() as connection:
            rows = connection.execute(
                f"SELECT id, record FROM {self._name} WHERE status IN ({marks}) ORDER BY id",  # noqa: S608 - our own table name
                statuses,
            ).fetchall()
        return [self._read(row) for row in rows]

    def lines(self) -> list[Line]:
        """Returns what waits, a line for each data set; reads an index and no record."""
        with self._database.snapshot() as connection:
            rows = connection.execute(
                f"SELECT {self._dataset}, min(id), max(id) FROM {self._name} "  # noqa: S608 - our own names
                f"WHERE status = '{Status.NOT_STARTED}' GROUP BY {self._dataset}"
            ).fetchall()
        return [Line(dataset, oldest, newest) for dataset, oldest, newest in rows]

    def with_id(self, number: int) -> Record:
        """Returns the record with this id, which must be there."""
        with self._database.snapshot() as connection:
            row = connection.execute(
                f"SELECT id, record FROM {self._name} WHERE id = ?",  # noqa: S608 - our own table name
                (number,),
            ).fetchone()
        return self._read(row)

    def _read(self, row: tuple[int, bytes]) -> Record:
        return replace(self._decoder.decode(row[1]), id=row[0])


class Store:
    """The engine's memory: three tables in `engine.sqlite3` under the data folder, which it holds alone.

    Raises:
        StartError: Another engine uses the folder, it cannot be used, or the file is no database or of another schema.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._claim = _claim_folder(folder)
        except OSError as exc:
            raise StartError(
                f"{folder} cannot be used ({exc.strerror}). Set ENGINE_DATA to a folder that may be written to."
            ) from exc
        try:
            self._database = Database(folder / "engine.sqlite3")
        except StartError:
            self._claim.close()
            raise
        self.datasets = Table(self._database, "datasets", Dataset, "dataset")
        self.models = Table(self._database, "models", Model, "model", queued_by="training_dataset")
        self.evaluations = Table(self._database, "evaluations", Evaluation, "evaluation", queued_by="test_dataset")

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
