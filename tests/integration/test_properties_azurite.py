"""The sequences of `tests/functional/test_properties.py`, fewer of them, against Azurite.

DARKROOM_AZURITE_EXAMPLES in the environment sets another number.
"""

import os
from collections.abc import Sequence
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobLeaseClient
from hypothesis import HealthCheck, given, settings

from shared.storage import QueueMessage
from shared.storage.azure import Account, AzureContainer, AzureQueue
from tests.coco_commits import Commits
from tests.coco_model import LIVE, Stored
from tests.coco_steps import STEPS, Player, Step
from tests.storage_support import azurite, new_container, new_queue

__all__ = ["azurite"]
EXAMPLES = int(os.environ.get("DARKROOM_AZURITE_EXAMPLES", "15"))
LOCKS = ("fold.lock", "imports.lock", "reconcile.lock")


class WatchedAzureContainer(AzureContainer):
    """A container whose live COCO file is checked whenever it is committed."""

    def __init__(self, account: Account) -> None:
        super().__init__(account.blob_service(), new_container(account, "training").name)
        self.commits = Commits()
        self.document: dict[str, Any] = {}

    def commit_blocks(
        self, path: str, block_ids: Sequence[str], *, if_match: str | None = None, create_only: bool = False
    ) -> str:
        """Commit, and check."""
        etag = super().commit_blocks(path, block_ids, if_match=if_match, create_only=create_only)
        if path == LIVE:
            committed, _ = self._blob(path).get_block_list("committed")
            self.document = self.commits.check(self.read(path).data, {block.id: block.size for block in committed})
        return etag


class RememberedQueue:
    """A queue whose hidden messages can come back before their time: they are sent once more."""

    def __init__(self, queue: AzureQueue) -> None:
        self._queue = queue
        self._hidden: dict[str, str] = {}

    def receive(self, limit: int, **options: Any) -> list[QueueMessage]:
        """Receive, and remember."""
        found = self._queue.receive(limit, **options)
        self._hidden.update((message.id, message.body) for message in found)
        return found

    def delete(self, message: QueueMessage) -> None:
        """Delete, and forget."""
        self._queue.delete(message)
        self._hidden.pop(message.id, None)

    def reveal(self) -> None:
        """Let what was received and not deleted come back."""
        for body in self._hidden.values():
            self._queue.send(body)
        self._hidden.clear()

    def lose(self) -> None:
        """Lose all that is in the queue."""
        self._queue._client.clear_messages()
        self._hidden.clear()

    def bodies(self) -> list[str]:
        """Return what is visible."""
        return [message.content for message in self._queue._client.peek_messages(32)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)


class AzuritePlayer(Player):
    """Plays steps over containers and a queue of its own in Azurite."""

    def __init__(self, account: Account) -> None:
        super().__init__()
        self.training = WatchedAzureContainer(account)
        self.registry = new_container(account, "registry")
        self.queue = RememberedQueue(new_queue(account))

    def stored(self) -> dict[str, Stored]:
        """Return what people have in the container."""
        found = {}
        for entry in self.training.list(""):
            if entry.path != LIVE:
                blob = self.training.read(entry.path)
                found[entry.path] = Stored(blob.properties.etag, blob.data, blob.properties.metadata.get("label"))
        return found

    def state(self) -> str:
        """Return all paths and versions in storage."""
        return repr([(blob.path, blob.etag) for store in (self.training, self.registry) for blob in store.list("")])

    def _set_label(self, path: str, label: str | None) -> None:
        if self.training.properties(path) is not None:
            self.training._blob(path).set_blob_metadata({"label": label} if label else {})

    def _lose(self, step: Step) -> None:
        self.queue.lose()

    def _reorder(self, step: Step) -> None:
        bodies = self.queue.bodies()
        self.queue.lose()
        for body in reversed(bodies):
            self.queue.send(body)

    def _duplicate(self, step: Step) -> None:
        for body in self.queue.bodies():
            self.queue.send(body)

    def _time_out(self) -> None:
        for path in LOCKS:
            try:
                BlobLeaseClient(self.registry._blob(path)).break_lease(lease_break_period=0)
            except ResourceNotFoundError:
                continue
            except HttpResponseError as error:
                assert error.error_code == "LeaseNotPresentWithLeaseOperation", error  # noqa: PT017
        self.queue.reveal()


@pytest.mark.slow
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(STEPS)
def test_whatever_happens_the_file_in_azurite_is_whole_at_every_commit_and_equals_the_container_after_a_reconcile(
    azurite: Account, steps: list[Step]
) -> None:
    player = AzuritePlayer(azurite)
    player.play(steps)
    player.settle()
    assert player.said() == player.model()
    before = player.state()
    player.settle(1)
    assert player.state() == before, "on datasets that agree nothing is written"
