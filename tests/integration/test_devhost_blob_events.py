"""Blob events against a real Azurite: each version delivered, each deletion told, failures retried and poisoned."""

import base64
import json
import sqlite3
import time
from collections.abc import Iterator

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobClient
from azure.storage.queue import QueueClient

from tests.devhost_support import Home, home_in
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    yield from home_in(tmp_path_factory.mktemp("home"))


def put(home: Home, name: str, content: bytes = b"x") -> BlobClient:
    return home.training.upload_blob(name, content, overwrite=True)


def etag(blob: BlobClient) -> str:
    return blob.get_blob_properties().etag.strip('"')


def test_each_version_of_a_blob_is_delivered_once(home: Home) -> None:
    for content in (b"one", b"two"):
        blob = put(home, "a b/images/ä/x.png", content)
        home.wait_for("picture", blob="a b/images/ä/x.png", etag=etag(blob))
    assert len(home.notes("picture", blob="a b/images/ä/x.png")) == 2


def test_blobs_made_of_blocks_or_by_copy_are_delivered(home: Home) -> None:
    source = put(home, "blocks/images/source.png")
    copy = home.training.get_blob_client("blocks/images/copy.png")
    copy.start_copy_from_url(source.url)
    blocks = home.training.get_blob_client("blocks/images/blocks.png")
    blocks.stage_block("YQ==", b"content")
    blocks.commit_block_list(["YQ=="])
    for name in ("source", "copy", "blocks"):
        home.wait_for("picture", blob=f"blocks/images/{name}.png")


def test_a_deletion_is_told_and_a_new_blob_of_that_name_is_delivered_again(home: Home) -> None:
    name = "del/images/x.png"
    put(home, name)
    home.wait_for("picture", blob=name)
    home.training.delete_blob(name)
    (note,) = home.wait_for("forget", **home.forgotten(name))
    assert note["type"] == "Microsoft.Storage.BlobDeleted"
    put(home, name)
    home.wait_for("picture", blob=name, count=2)


def test_a_batch_of_deletions_is_found_by_listing(home: Home) -> None:
    names = [f"batch/images/{number}.png" for number in range(3)]
    for name in names:
        put(home, name)
    for name in names:
        home.wait_for("picture", blob=name)
    home.training.delete_blobs(*names)
    for name in names:
        home.wait_for("forget", **home.forgotten(name))


def test_what_we_write_ourselves_triggers_nothing_and_is_not_stored(home: Home) -> None:
    put(home, "own/coco/live.json")
    home.training.delete_blob("own/coco/live.json")
    put(home, "own/images/after.png")
    home.wait_for("picture", blob="own/images/after.png")
    with sqlite3.connect(home.folder / "host" / "deliveries.db") as database:
        rows = [*database.execute("SELECT blob FROM delivered"), *database.execute("SELECT blob FROM pending")]
    database.close()
    assert not [blob for (blob,) in rows if "coco" in blob]
    assert home.notes("forget", **home.forgotten("own/coco/live.json")) == []


def test_a_blob_that_fails_is_tried_five_times_and_then_poison(home: Home) -> None:
    blob = put(home, "p/images/bad.png")
    failures = home.wait_for("failed", blob="p/images/bad.png", count=5)
    assert [note["retry"] for note in failures] == [0, 1, 2, 3, 4]
    queue = QueueClient.from_connection_string(home.services.storage_connection_string, "webjobs-blobtrigger-poison")

    def poison() -> list[object]:
        try:
            return [json.loads(base64.b64decode(message.content)) for message in queue.peek_messages(32)]
        except ResourceNotFoundError:
            return []

    with queue:
        assert wait_until(poison, "the poison message") == [
            {
                "Type": "BlobTrigger",
                "FunctionId": "Host.Functions.picture",
                "BlobType": "BlockBlob",
                "ContainerName": "training",
                "BlobName": "p/images/bad.png",
                "ETag": f'"{etag(blob)}"',
            }
        ]
    put(home, "p/images/bad.png", b"a new version is tried anew")
    home.wait_for("failed", blob="p/images/bad.png", count=6)


def test_an_upload_reaches_its_function_within_300_ms(home: Home) -> None:
    put(home, "warm/images/x.png")
    home.wait_for("picture", blob="warm/images/x.png")
    seconds = []
    for number in range(9):
        name = f"fast/images/{number}.png"
        put(home, name)
        began = time.perf_counter()
        home.wait_for("picture", blob=name)
        seconds.append(time.perf_counter() - began)
    assert sorted(seconds)[len(seconds) // 2] < 0.3


def test_a_hundred_blobs_at_once_are_each_delivered(home: Home) -> None:
    names = {f"many/images/{number}.png" for number in range(100)}
    for name in names:
        put(home, name)
    wait_until(lambda: names <= {note["blob"] for note in home.notes("picture")}, "all are delivered")
