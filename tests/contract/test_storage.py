"""One suite for every storage: the memory store may stand in for Azure only because it passes what Azurite passes."""

import hashlib
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from shared.errors import BlobArchivedError, BlobChangedError, BlobNotFoundError, BlobTooLargeError
from shared.storage import BlobContainer, Queue, QueueMessage
from shared.storage.azure import Account, AzureContainer
from shared.storage.memory import MemoryContainer, MemoryQueue
from tests.storage_support import azurite, new_container, new_queue
from tests.waiting import wait_until

__all__ = ["azurite"]
LEASE = timedelta(seconds=15)


@pytest.fixture(params=["memory", "azurite"])
def container(request: pytest.FixtureRequest) -> BlobContainer:
    if request.param == "memory":
        return MemoryContainer()
    account: Account = request.getfixturevalue("azurite")
    return new_container(account, "contract")


@pytest.fixture(params=["memory", "azurite"])
def queue(request: pytest.FixtureRequest) -> Queue:
    if request.param == "memory":
        return MemoryQueue()
    account: Account = request.getfixturevalue("azurite")
    return new_queue(account)


def test_what_was_written_is_read_with_its_etag(container: BlobContainer) -> None:
    etag = container.write("a/Schlüssel 1.json", b"{}")
    blob = container.read("a/Schlüssel 1.json")
    assert (blob.data, blob.properties.etag, blob.properties.size) == (b"{}", etag, 2)
    assert blob.properties == container.properties("a/Schlüssel 1.json")
    assert abs(blob.properties.last_modified - datetime.now(UTC)) < timedelta(minutes=1)
    assert '"' not in etag


def test_an_empty_blob_can_be_read(container: BlobContainer) -> None:
    container.write("empty", b"")
    assert container.read("empty").data == b""
    assert container.read("empty", max_bytes=10).data == b""


def test_what_is_not_there_is_told(container: BlobContainer) -> None:
    assert container.properties("a") is None
    with pytest.raises(BlobNotFoundError, match="/a' does not exist"):
        container.read("a")
    container.delete("a")


def test_a_blob_beyond_the_bound_is_refused_with_its_size(container: BlobContainer) -> None:
    etag = container.write("a", b"12345")
    assert container.read("a", max_bytes=5).data == b"12345"
    with pytest.raises(BlobTooLargeError) as refused:
        container.read("a", max_bytes=4)
    assert (refused.value.etag, refused.value.size) == (etag, 5)


def test_a_write_over_a_version_that_is_gone_loses(container: BlobContainer) -> None:
    first = container.write("a", b"1")
    second = container.write("a", b"2", if_match=first)
    assert second != first
    with pytest.raises(BlobChangedError):
        container.write("a", b"3", if_match=first)
    container.delete("a")
    with pytest.raises(BlobChangedError):
        container.write("a", b"3", if_match=second)


def test_a_blob_is_created_once(container: BlobContainer) -> None:
    container.write("a", b"1", create_only=True)
    with pytest.raises(BlobChangedError):
        container.write("a", b"2", create_only=True)
    assert container.read("a").data == b"1"


def test_a_deleted_blob_is_gone(container: BlobContainer) -> None:
    container.write("a", b"1")
    container.delete("a")
    assert container.properties("a") is None


def test_a_listing_is_in_the_order_of_paths(container: BlobContainer) -> None:
    etags = {path: container.write(path, b"1") for path in ("p/b", "p/a/2", "p/a/1", "q/a", "p/ä")}
    listed = list(container.list("p/"))
    assert [entry.path for entry in listed] == ["p/a/1", "p/a/2", "p/b", "p/ä"]
    assert all(entry.etag == etags[entry.path] for entry in listed)


def test_folders_are_the_first_segments(container: BlobContainer) -> None:
    for path in ("b/x/1", "a/1", "a/2", "top.json"):
        container.write(path, b"1")
    assert list(container.folders()) == ["a", "b"]


def test_blobs_in_no_folder_are_listed_by_themselves(container: BlobContainer) -> None:
    for path in ("b/1", "z.jpg", "a/x/1", "Ä.jpg"):
        container.write(path, b"1")
    found = list(container.loose())
    assert [blob.path for blob in found] == ["z.jpg", "Ä.jpg"]
    assert found[0] == container.properties("z.jpg")


def test_a_lease_has_one_holder_until_it_is_released(container: BlobContainer) -> None:
    lease = container.lease("lock", LEASE)
    assert lease is not None
    assert container.lease("lock", LEASE) is None
    assert lease.renew()
    lease.release()
    lease.release()
    assert not lease.renew()
    again = container.lease("lock", LEASE)
    assert again is not None
    assert not lease.renew()


@pytest.mark.parametrize("path", ["a b/ü#1?.jpg", "50%/x+y&z.jpg", "a/ナット~'(1)!.png", "😀/1.jpg"])
def test_a_url_of_an_odd_path_reads_that_blob(azurite: Account, path: str) -> None:
    container = new_container(azurite, "odd")
    container.write(path, b"1")
    now = datetime.now(UTC)
    signature = container.read_signature(now=now, until=now + timedelta(hours=1))
    assert httpx.get(f"{container.url(path)}?{signature}").content == b"1"
    assert [blob.path for blob in container.list("")] == [path]


def test_a_url_names_container_and_path(container: BlobContainer) -> None:
    assert container.url("a/b.jpg").endswith(f"/{container.name}/a/b.jpg")


def test_a_message_stays_hidden_once_received_and_is_gone_once_deleted(queue: Queue) -> None:
    assert queue.is_empty()
    queue.send('{"path": "Schlüssel"}')
    assert not queue.is_empty()
    (message,) = queue.receive(10, hidden_for=timedelta(seconds=30))
    assert message.body == '{"path": "Schlüssel"}'
    assert queue.is_empty()
    assert queue.receive(10, hidden_for=timedelta(seconds=30)) == []
    queue.delete(message)
    queue.delete(message)


def test_a_receipt_that_a_later_receiver_replaced_deletes_nothing(queue: Queue) -> None:
    def again() -> QueueMessage:
        if isinstance(queue, MemoryQueue):
            queue.reveal()
        received = wait_until(lambda: queue.receive(1, hidden_for=timedelta(seconds=1)), "the message comes back")
        return received[0]

    queue.send("1")
    old = again()
    again()
    queue.delete(old)
    queue.delete(again())
    assert queue.is_empty()


def test_more_messages_than_one_call_gives_are_received(queue: Queue) -> None:
    for number in range(40):
        queue.send(str(number))
    bodies = {message.body for message in queue.receive(36, hidden_for=timedelta(seconds=30))}
    assert len(bodies) == 36


def test_a_signature_lets_read_and_nothing_else(azurite: Account) -> None:
    container = new_container(azurite, "signed")
    container.write("a", b"1")
    now = datetime.now(UTC)
    signature = container.read_signature(now=now, until=now + timedelta(hours=1))
    assert httpx.get(f"{container.url('a')}?{signature}").content == b"1"
    assert httpx.delete(f"{container.url('a')}?{signature}").status_code == 403
    expired = container.read_signature(now=now - timedelta(hours=2), until=now - timedelta(hours=1))
    assert httpx.get(f"{container.url('a')}?{expired}").status_code == 403
    assert httpx.get(container.url("a")).status_code in (403, 404)


def test_a_range_is_read_in_one_version(container: BlobContainer) -> None:
    first = container.write("a", b"0123456789")
    blob = container.read_range("a", 2, 3, if_match=first)
    assert (blob.data, blob.properties.size, blob.properties.etag) == (b"234", 10, first)
    assert container.read_range("a", 8, 100).data == b"89"
    container.write("a", b"other")
    with pytest.raises(BlobChangedError):
        container.read_range("a", 2, 3, if_match=first)
    with pytest.raises(BlobNotFoundError):
        container.read_range("b", 0, 1)


def test_a_range_of_an_empty_blob_is_empty(container: BlobContainer) -> None:
    container.write("a", b"")
    blob = container.read_range("a", 0, 100)
    assert (blob.data, blob.properties.size) == (b"", 0)


def test_blocks_become_a_blob_when_they_are_committed(container: BlobContainer) -> None:
    container.stage_block("a", "1", b"one")
    container.stage_block("a", "2", b"two")
    assert container.properties("a") is None
    etag = container.commit_blocks("a", ["2", "1"], create_only=True)
    assert container.read("a").data == b"twoone"
    assert container.read("a").properties.etag == etag


def test_a_committed_block_is_used_again_and_one_left_out_is_gone(container: BlobContainer) -> None:
    for number in "123":
        container.stage_block("a", number, number.encode())
    first = container.commit_blocks("a", ["1", "2", "3"])
    container.stage_block("a", "4", b"4")
    second = container.commit_blocks("a", ["1", "4", "3"], if_match=first)
    assert container.read("a").data == b"143"
    with pytest.raises(BlobChangedError):
        container.commit_blocks("a", ["1", "2"], if_match=second)
    assert container.read("a").data == b"143"


def test_a_commit_over_a_version_that_is_gone_loses(container: BlobContainer) -> None:
    container.stage_block("a", "1", b"1")
    first = container.commit_blocks("a", ["1"], create_only=True)
    container.stage_block("a", "2", b"2")
    container.commit_blocks("a", ["1", "2"], if_match=first)
    container.stage_block("a", "3", b"3")
    for condition in ({"if_match": first}, {"create_only": True}):
        with pytest.raises(BlobChangedError):
            container.commit_blocks("a", ["1", "3"], **condition)  # type: ignore[arg-type]
    assert container.read("a").data == b"12"


def test_a_commit_drops_what_somebody_else_had_staged(container: BlobContainer) -> None:
    container.stage_block("a", "1", b"1")
    container.stage_block("a", "2", b"2")
    etag = container.commit_blocks("a", ["1"])
    with pytest.raises(BlobChangedError):
        container.commit_blocks("a", ["1", "2"], if_match=etag)


def test_a_blob_that_is_written_whole_has_no_blocks_left(container: BlobContainer) -> None:
    container.stage_block("a", "1", b"1")
    container.commit_blocks("a", ["1"])
    etag = container.write("a", b"whole")
    with pytest.raises(BlobChangedError):
        container.commit_blocks("a", ["1"], if_match=etag)


def test_pages_go_on_after_a_token(container: BlobContainer) -> None:
    paths = [f"p/{number:03d}" for number in range(7)]
    for path in [*paths, "q/1"]:
        container.write(path, b"1")
    pages = list(container.pages("p/", size=3))
    assert len(pages) == 3
    assert [blob.path for page in pages for blob in page.blobs] == paths
    assert pages[-1].token is None
    for number, page in enumerate(pages[:-1]):
        rest = [blob.path for later in container.pages("p/", token=page.token, size=3) for blob in later.blobs]
        assert rest == [blob.path for later in pages[number + 1 :] for blob in later.blobs]
    assert [page.blobs for page in container.pages("none/")] == [()]


def test_metadata_is_read_and_makes_a_new_version(container: BlobContainer) -> None:
    first = container.write("a", b"1")
    if isinstance(container, MemoryContainer):
        container.set_metadata("a", {"label": "nut"})
    else:
        assert isinstance(container, AzureContainer)
        container._blob("a").set_blob_metadata({"Label": "nut"})
    found = container.properties("a")
    assert found is not None
    assert (found.metadata, container.read("a").properties.metadata) == ({"label": "nut"}, {"label": "nut"})
    assert found.etag != first


def test_a_listing_and_a_head_tell_the_digest_of_what_was_written(container: BlobContainer) -> None:
    container.write("a/1.jpg", b"12345", content_type="image/jpeg")
    digest = hashlib.md5(b"12345", usedforsecurity=False).hexdigest()
    found = container.properties("a/1.jpg")
    assert found is not None
    assert (found.md5, [blob.md5 for blob in container.list("a/")]) == (digest, [digest])


def test_a_blob_is_json_unless_its_content_type_is_given(azurite: Account) -> None:
    container = new_container(azurite, "types")
    container.write("a.json", b"{}")
    container.write("a.jpg", b"1", content_type="image/jpeg")
    types = [container._blob(path).get_blob_properties().content_settings.content_type for path in ("a.json", "a.jpg")]
    assert types == ["application/json", "image/jpeg"]


def set_metadata(container: BlobContainer, path: str, metadata: dict[str, str]) -> None:
    """Attach metadata, as people do."""
    if isinstance(container, MemoryContainer):
        container.set_metadata(path, {name.lower(): value for name, value in metadata.items()})
    elif isinstance(container, AzureContainer):
        container._blob(path).set_blob_metadata(metadata)


@pytest.mark.parametrize("name", ["hdi_isfolder", "Hdi_isfolder"])
def test_a_blob_that_stands_for_a_folder_is_not_listed(container: BlobContainer, name: str) -> None:
    container.write("p/nut", b"")
    set_metadata(container, "p/nut", {name: "true"})
    container.write("p/nut/1", b"1")
    assert container.read("p/nut").properties.is_folder
    assert [blob.path for blob in container.list("p/")] == ["p/nut/1"]
    assert [blob.path for page in container.pages("p/") for blob in page.blobs] == ["p/nut/1"]


def test_a_blob_in_the_archive_tier_is_told_apart_from_one_that_was_changed(container: BlobContainer) -> None:
    etag = container.write("a/1.jpg", b"1")
    if isinstance(container, MemoryContainer):
        container.archive("a/1.jpg")
    elif isinstance(container, AzureContainer):
        container._blob("a/1.jpg").set_standard_blob_tier("Archive")
    with pytest.raises(BlobArchivedError) as caught:
        container.read("a/1.jpg", max_bytes=10)
    assert caught.value.etag == etag
    container.delete("a/1.jpg")
    container.write("a/1.jpg", b"2")
    assert container.read("a/1.jpg").data == b"2"
