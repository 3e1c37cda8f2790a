import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.ledger import Ledger
from engine.messages import Done
from engine.orders import OUTPUT, JobPlace
from engine.records import Model, ModelKind, Status
from engine.store import Store

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path)
    yield opened
    opened.close()


def begun(store: Store, place: JobPlace, ledger: Ledger) -> Model:
    """Returns a training that was claimed, with what its process has left."""
    store.models.add(
        Model(
            name="m",
            kind=ModelKind.CLASSIFIER,
            training_dataset="d",
            test_dataset=None,
            budget_hours=1,
            created=NOW,
            updated=NOW,
        )
    )
    ledger.resume()
    work = ledger.claim()
    assert isinstance(work, Model)
    (place.job(work) / OUTPUT).mkdir(parents=True)
    (place.job(work) / OUTPUT / "model.npz").write_bytes(b"a model")
    return work


def test_a_result_whose_record_the_disk_refused_is_written_by_the_next_try(store: Store, tmp_path: Path) -> None:
    place = JobPlace(tmp_path, None, "")
    ledger = Ledger(store, place, lambda: NOW)
    work, done = begun(store, place, ledger), Done({"accuracyTop1": 1.0, "tagPerformance": {"x" * 100_000: {}}})
    database = store._database._connection  # the only way to a full disk that needs no disk
    database.execute(f"PRAGMA max_page_count = {database.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        ledger.settle(work, done, 1.0)
    assert store.models.get("m").status is Status.TRAINING
    database.execute("PRAGMA max_page_count = 1000000")
    assert ledger.settle(work, done, 1.0) is None
    assert store.models.get("m").status is Status.SUCCEEDED
    assert (place.model("m") / "model.npz").read_bytes() == b"a model"
    assert not place.job(work).exists()


def test_a_result_that_comes_after_the_cancellation_leaves_no_files(store: Store, tmp_path: Path) -> None:
    place = JobPlace(tmp_path, None, "")
    ledger = Ledger(store, place, lambda: NOW)
    work = begun(store, place, ledger)
    store.models.change("m", lambda found: replace(found, status=Status.CANCELLING))
    assert ledger.settle(work, Done({}), 1.0) is None
    assert store.models.get("m").status is Status.CANCELLED
    assert not place.model("m").exists()
    assert not place.job(work).exists()
