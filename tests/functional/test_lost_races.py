"""What is written over and over by others, or cannot be written at all, ends in an error and not in an endless loop."""

from datetime import UTC, datetime

import pytest

from shared.errors import BlobChangedError
from shared.misplaced import MisplacedBlobs
from shared.storage import JSON, Blob
from shared.storage.documents import MOST_TRIES
from shared.storage.memory import MemoryContainer, MemoryQueue
from tests.pictures import draw
from tests.world import BreakableContainer, Pace, World, make_intake


class RefusingContainer(BreakableContainer):
    """A container that answers every write to one path with a conflict."""

    def __init__(self, path: str) -> None:
        super().__init__("registry")
        self.tries = 0
        self._path = path

    def write(
        self,
        path: str,
        data: bytes,
        *,
        if_match: str | None = None,
        create_only: bool = False,
        content_type: str = JSON,
    ) -> str:
        """Refuse that path."""
        if path == self._path:
            self.tries += 1
            raise BlobChangedError(f"blob '{path}' was changed by somebody else in the meantime")
        return super().write(path, data, if_match=if_match, create_only=create_only, content_type=content_type)


class RestlessContainer(MemoryContainer):
    """A container in which others write the COCO file whenever somebody reads it."""

    looks = 0

    def read_range(self, path: str, start: int, size: int, *, if_match: str | None = None) -> Blob:
        """Be too slow."""
        self.looks += 1
        raise BlobChangedError(f"blob '{path}' was changed by somebody else in the meantime")


def test_a_document_that_refuses_to_be_written_is_named_after_some_tries() -> None:
    registry = RefusingContainer("misplaced.json")
    with pytest.raises(BlobChangedError, match=r"'registry/misplaced\.json' could not be written .* leased, archived"):
        MisplacedBlobs(registry).update({"1.jpg": ("0x1", "lies in no folder")})
    assert registry.tries == MOST_TRIES


def test_an_import_whose_note_cannot_be_written_ends_in_an_error() -> None:
    world = World()
    world.drop("parts/images/nut/1.jpg", draw(1))

    def conflict(path: str) -> None:
        if path == "parts/imports.json":
            raise BlobChangedError(path)

    world.registry_blobs.before_write = conflict
    with pytest.raises(BlobChangedError, match="could not be written"):
        world.drop("parts/annotations/all.json", b"{}")


def test_a_comparison_with_a_file_that_changes_at_each_look_ends_in_an_error() -> None:
    training = RestlessContainer("training")
    training.write("parts/images/nut/1.jpg", draw(1))
    intake = make_intake(training, MemoryContainer("registry"), MemoryQueue(), Pace())
    with pytest.raises(BlobChangedError):
        intake.reconcile(now=datetime.now(UTC))
    assert training.looks == MOST_TRIES
