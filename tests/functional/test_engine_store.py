import json
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.errors import AlreadyExistsError, InvalidRequestError, NotFoundError, StartError
from engine.queueing import Line
from engine.records import AnnotationKind, AuthenticationKind, Dataset, Evaluation, Model, ModelKind, Status
from engine.store import Store

NOW = datetime(2026, 1, 5, 10, 0, 0, 123000, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "data")
    yield opened
    opened.close()


def dataset(name: str) -> Dataset:
    return Dataset(
        name=name,
        annotation_kind=AnnotationKind.CLASSIFICATION,
        annotation_file_uris=("http://a/b.json",),
        authentication=AuthenticationKind.SAS,
        sealed_sas=b"\x00\xff sealed",
        custom_properties={"a": "b"},
        created=NOW,
        updated=NOW,
    )


def model(name: str) -> Model:
    return Model(
        name=name,
        kind=ModelKind.CLASSIFIER,
        training_dataset="d",
        test_dataset=None,
        budget_hours=1,
        created=NOW,
        updated=NOW,
    )


def evaluation(name: str, model_name: str) -> Evaluation:
    return Evaluation(name=name, model_name=model_name, test_dataset="d", created=NOW, updated=NOW)


def test_what_was_stored_is_there_after_reopening(tmp_path: Path) -> None:
    first = Store(tmp_path)
    kept = first.datasets.add(dataset("d")), first.models.add(model("m")), first.evaluations.add(evaluation("e", "m"))
    first.close()
    second = Store(tmp_path)
    assert (second.datasets.get("d"), second.models.get("m"), second.evaluations.get("e", "m")) == kept
    second.close()


def test_names_are_unique_and_told_apart_by_case(store: Store) -> None:
    store.models.add(model("m"))
    store.models.add(model("M"))
    with pytest.raises(AlreadyExistsError):
        store.models.add(model("m"))
    store.evaluations.add(evaluation("e", "m"))
    store.evaluations.add(evaluation("e", "M"))
    with pytest.raises(AlreadyExistsError):
        store.evaluations.add(evaluation("e", "m"))


def test_a_change_that_raises_changes_nothing(store: Store) -> None:
    before = store.models.add(model("m"))

    def refuse(found: Model) -> Model:
        raise InvalidRequestError("no")

    with pytest.raises(InvalidRequestError):
        store.models.change("m", refuse)
    assert store.models.get("m") == before


def test_a_transaction_that_raises_changes_nothing(store: Store) -> None:
    before = store.models.add(model("m"))

    def change_two() -> None:
        with store.transaction():
            store.models.change("m", lambda found: replace(found, status=Status.TRAINING))
            store.models.get("unknown")

    with pytest.raises(NotFoundError):
        change_two()
    assert store.models.get("m") == before


def test_a_record_is_not_revised_under_a_name_that_another_one_has_now(store: Store) -> None:
    old = store.models.add(model("m"))
    store.models.remove("m", lambda _: None)
    assert store.models.revise(old, lambda found: replace(found, status=Status.FAILED)) is None
    new = store.models.add(model("m"))
    assert new.id > old.id
    assert store.models.revise(old, lambda found: replace(found, status=Status.FAILED)) is None
    assert store.models.get("m") == new


def test_pages_follow_the_order_of_addition(store: Store) -> None:
    for name in "cabed":
        store.models.add(model(name))
    page, more = store.models.page(1, 3)
    assert ([found.name for found in page], more) == (["a", "b", "e"], True)
    assert store.models.page(4, 3)[1] is False


def test_changes_from_many_threads_are_all_kept(store: Store) -> None:
    store.models.add(model("m"))

    def count() -> None:
        for _ in range(20):
            store.models.change("m", lambda found: replace(found, crashes=found.crashes + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.models.get("m").crashes == 80


def test_records_are_searched_by_status(store: Store) -> None:
    for name in "ab":
        store.models.add(model(name))
    store.models.change("b", lambda found: replace(found, status=Status.TRAINING))
    assert [found.name for found in store.models.having(Status.NOT_STARTED)] == ["a"]
    assert [found.name for found in store.models.having(Status.NOT_STARTED, Status.TRAINING)] == ["a", "b"]


def test_removing_a_parent_removes_its_children_only(store: Store) -> None:
    store.evaluations.add(evaluation("e", "m"))
    store.evaluations.add(evaluation("e", "n"))
    assert [removed.name for removed in store.evaluations.remove_all("m")] == ["e"]
    with pytest.raises(NotFoundError, match="'e' of model 'm'"):
        store.evaluations.get("e", "m")
    assert store.evaluations.get("e", "n")


def test_a_folder_has_one_engine_at_a_time(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StartError, match="Another engine"):
        Store(tmp_path / "data")


def test_a_file_of_another_schema_is_refused(tmp_path: Path) -> None:
    Store(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "engine.sqlite3")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StartError, match="schema 99"):
        Store(tmp_path)


def test_a_folder_that_cannot_be_used_is_refused_and_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "data"):
        with pytest.raises(StartError, match="ENGINE_DATA"):
            Store(folder)


def test_a_file_that_is_no_database_is_refused_and_the_folder_is_free_again(tmp_path: Path) -> None:
    (tmp_path / "engine.sqlite3").write_bytes(b"no database at all" * 100)
    for _ in range(2):
        with pytest.raises(StartError, match="cannot be used"):
            Store(tmp_path)


def test_a_stored_record_is_plain_json(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.datasets.add(dataset("d"))
    store.close()
    connection = sqlite3.connect(tmp_path / "engine.sqlite3")
    record = connection.execute("SELECT record FROM datasets").fetchone()[0]
    connection.close()
    assert json.loads(record)["annotation_kind"] == "imageClassification"


def test_reads_do_not_wait_for_a_transaction_of_another_thread(store: Store) -> None:
    kept = store.models.add(model("m"))
    inside, read = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with store.transaction():
            store.models.change("m", lambda found: replace(found, crashes=1))
            assert store.models.get("m").crashes == 1  # a transaction sees what it has changed
            inside.set()
            read.wait(10)

    writer = threading.Thread(target=write_slowly)
    writer.start()
    assert inside.wait(10)
    found = store.models.get("m"), store.models.page(0, 10), store.models.having(Status.NOT_STARTED)
    read.set()
    writer.join()
    assert found == (kept, ([kept], False), [kept])
    assert store.models.get("m").crashes == 1


def test_a_write_that_the_disk_refuses_changes_nothing_and_the_next_one_works(store: Store, tmp_path: Path) -> None:
    store.models.add(model("m"))
    database = store._database._connection  # the only way to a full disk that needs no disk
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        store.models.add(replace(model("large"), traceparent="x" * 100_000))
    assert store.models.find("large") is None
    database.execute("PRAGMA max_page_count = 1000000")
    store.models.add(model("large"))
    assert [found.name for found in store.models.page(0, 10)[0]] == ["m", "large"]


def test_a_file_that_another_process_holds_refuses_writes_and_gives_reads(store: Store, tmp_path: Path) -> None:
    store.models.add(model("m"))
    other = sqlite3.connect(tmp_path / "data" / "engine.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        store.models.add(model("n"))
    assert store.models.get("m").name == "m"
    other.execute("ROLLBACK")
    other.close()
    store.models.add(model("n"))


def test_what_waits_is_told_by_dataset_without_reading_records(store: Store) -> None:
    for name, dataset in (("a", "d.1"), ("b", "d.2"), ("c", "d.1"), ("e", "d.1")):
        store.models.add(replace(model(name), training_dataset=dataset))
    store.models.change("e", lambda found: replace(found, status=Status.TRAINING))
    store.evaluations.add(replace(evaluation("e", "a"), test_dataset="t"))
    assert sorted(store.models.lines(), key=lambda line: line.oldest) == [Line("d.1", 1, 3), Line("d.2", 2, 2)]
    assert store.evaluations.lines() == [Line("t", 1, 1)]
    assert store.models.with_id(3).name == "c"
    plan = store._database._connection.execute(
        "EXPLAIN QUERY PLAN SELECT json_extract(CAST(record AS TEXT), '$.training_dataset'), min(id), max(id) "
        "FROM models WHERE status = 'notStarted' "
        "GROUP BY json_extract(CAST(record AS TEXT), '$.training_dataset')"
    ).fetchall()
    assert [row[3] for row in plan] == ["SCAN models USING INDEX models_waiting"]
