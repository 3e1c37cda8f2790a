"""The live COCO file in storage: a change reads and writes the leaves it touches, and commits them with If-Match.

Callers see changes going in, and states of the file coming out (`LiveFile`). How the file lies in its blob is in
`blocks`, what a change does to records is in `shelf`, and `rewrite` applies the one to the other.
"""

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from shared import layout
from shared.blocks import LeafSizes, StagedBlock
from shared.coco import Claim, Seen
from shared.errors import BlobChangedError
from shared.livefile import LiveFile, read_live_file
from shared.rewrite import Change, Rewrite
from shared.shelf import Dropped
from shared.storage import BlobContainer

MOST_TRIES: Final = 20  # lost races before giving up; each loss means that somebody else's commit stands
CALLS_AT_ONCE: Final = 8
SIZES: Final = LeafSizes()


class CocoFile:
    """The live COCO file of one dataset.

    Every method raises BrokenFileError when the file is not what Darkroom wrote. Those that write raise
    BlobChangedError when others were faster `MOST_TRIES` times in a row.
    """

    def __init__(self, training: BlobContainer, dataset: str, *, sizes: LeafSizes = SIZES) -> None:
        self._sizes = sizes
        self._training = training
        self._dataset = dataset
        self._path = layout.live_file(dataset)

    def read(self) -> LiveFile | None:
        """Read the newest state's head, or None when the dataset has no file yet."""
        return read_live_file(self._training, self._path)

    def fold(self, seen: Mapping[str, Seen | None], *, traceparent: str = "") -> bool:
        """Fold what was seen at some paths into the file, in one commit; return whether it changed."""
        return self._commit(Change(seen=seen, traceparent=traceparent))

    def put_imports(self, claims: Iterable[Claim], *, traceparent: str = "") -> bool:
        """Note what an imported file says of some pictures; return whether the file changed."""
        return self._commit(Change(imports=tuple(claims), traceparent=traceparent))

    def drop_imports(
        self, source: str, *, but: str | None = None, kept: Collection[str] = (), traceparent: str = ""
    ) -> bool:
        """Forget what an imported file said, but for what version `but` says of the pictures `kept`.

        Returns:
            Whether the file changed.
        """
        dropped = Dropped(source=source, but=but, kept=kept)
        return self._commit(Change(dropped=dropped, traceparent=traceparent))

    def _commit(self, change: Change) -> bool:
        tries = 0
        while True:
            try:
                return self._try(change)
            except BlobChangedError:
                tries += 1
                if tries == MOST_TRIES:
                    raise

    def _try(self, change: Change, *, whole: bool = False) -> bool:
        """Apply a change to the file as it is now; return whether that changed it.

        Raises:
            BlobChangedError: Somebody else was faster.
        """
        live = self.read()
        with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
            rewrite = Rewrite(
                live,
                pool,
                dataset=self._dataset,
                stage=self._stage,
                url_of=self._training.url,
                sizes=self._sizes,
                whole=whole,
            )
            block_ids = rewrite.apply(change)
        if block_ids is None:
            return False
        etag = live.etag if live else None
        try:
            self._training.commit_blocks(self._path, block_ids, if_match=etag, create_only=etag is None)
        except BlobChangedError:
            now = self._training.properties(self._path)
            if whole or now is None or now.etag != etag:
                raise
            return self._try(change, whole=True)  # nobody was faster: it was put back from a backup, without its blocks
        return True

    def _stage(self, block: StagedBlock) -> None:
        self._training.stage_block(self._path, block.block.id, block.data)
