"""The file of deliveries: nothing expected is forgotten, nothing delivered is expected again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from devhost.deliveries import Deliveries

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def deliveries(tmp_path: Path) -> Iterator[Deliveries]:
    opened = Deliveries(tmp_path / "deliveries.db")
    yield opened
    opened.close()


def test_what_ran_when_the_host_died_waits_again(tmp_path: Path) -> None:
    path = tmp_path / "deliveries.db"
    first = Deliveries(path)
    first.expect_blobs([("picture", "training/x", TRACE)])
    first.expect_event(["forget"], "training/y", "{}", TRACE)
    assert len(first.claim(10, now=1)) == 2
    first.close()
    second = Deliveries(path)
    found = [(delivery.function, delivery.kind, delivery.blob) for delivery in second.claim(10, now=1)]
    assert found == [("picture", "blob", "training/x"), ("forget", "event", "training/y")]
    second.close()


def test_a_hint_that_waits_is_not_noted_twice_but_one_that_runs_is(deliveries: Deliveries) -> None:
    deliveries.expect_blobs([("picture", "training/x", TRACE), ("picture", "training/x", TRACE)])
    assert len(deliveries.claim(10, now=1)) == 1
    deliveries.expect_blobs([("picture", "training/x", TRACE)])  # a newer version, perhaps
    assert len(deliveries.claim(10, now=1)) == 1


def test_what_a_sender_repeats_is_delivered_as_often(deliveries: Deliveries) -> None:
    for _ in range(2):
        deliveries.expect_blobs([("picture", "training/x", TRACE)], again=True)
    assert [delivery.again for delivery in deliveries.claim(10, now=1)] == [True, True]


def test_a_failed_delivery_waits_until_it_is_due_and_keeps_its_count(deliveries: Deliveries) -> None:
    deliveries.expect_blobs([("picture", "training/x", TRACE)])
    (delivery,) = deliveries.claim(1, now=1)
    deliveries.postpone(delivery, due=5, etag="e1", attempts=1)
    assert deliveries.next_due() == 5
    assert deliveries.claim(1, now=4) == []
    (again,) = deliveries.claim(1, now=5)
    assert (again.etag, again.attempts, again.trace) == ("e1", 1, TRACE)


def test_a_newer_hint_takes_over_the_count_of_the_one_that_failed(deliveries: Deliveries) -> None:
    deliveries.expect_blobs([("picture", "training/x", TRACE)])
    (delivery,) = deliveries.claim(1, now=1)
    deliveries.expect_blobs([("picture", "training/x", TRACE)])
    deliveries.postpone(delivery, due=5, etag="e1", attempts=1)
    (only,) = deliveries.claim(10, now=5)
    assert (only.etag, only.attempts) == ("e1", 1)


def test_what_is_delivered_is_known_by_its_version(deliveries: Deliveries) -> None:
    deliveries.expect_blobs([("picture", "training/x", TRACE), ("picture", "training/y", TRACE)])
    (delivery,) = deliveries.claim(1, now=1)
    deliveries.done(delivery, "e1")
    assert deliveries.etag("picture", "training/x") == "e1"
    assert deliveries.known("picture") == {"training/x": "e1", "training/y": ""}


def test_a_deletion_is_told_to_each_listener_and_makes_the_blob_unknown(deliveries: Deliveries) -> None:
    deliveries.expect_blobs([("picture", "training/x", TRACE)])
    deliveries.done(*deliveries.claim(1, now=1), etag="e1")
    deliveries.expect_event(["forget", "audit"], "training/x", '{"id": 1}', TRACE)
    assert deliveries.known("picture") == {}
    found = deliveries.claim(10, now=1)
    assert [(delivery.function, delivery.event) for delivery in found] == [
        ("forget", '{"id": 1}'),
        ("audit", '{"id": 1}'),
    ]


def test_functions_that_the_app_no_longer_has_are_forgotten(deliveries: Deliveries) -> None:
    deliveries.expect_blobs([("old", "training/x", TRACE), ("picture", "training/x", TRACE)])
    assert deliveries.keep_only(["picture", "status"]) == 1
    assert [delivery.function for delivery in deliveries.claim(10, now=1)] == ["picture"]
    assert deliveries.keep_only([]) == 1
