"""Uploads what an import has planned: several at a time, nothing twice, nothing over what somebody else put there."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from curate.errors import CurateError
from curate.plan import Plan, Upload, md5_of, read_local
from curate.telling import counted
from shared.ahead import map_ahead
from shared.errors import BlobChangedError
from shared.layout import PicturePath, parse_picture_path
from shared.matching import match_pictures
from shared.storage import BlobContainer, BlobProperties

CALLS_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Check:
    """What storage holds of a plan.

    Attributes:
        there: Paths that have the same bytes already.
        clashes: Paths that have other bytes.
    """

    there: frozenset[str]
    clashes: tuple[str, ...]


def check(plan: Plan, training: BlobContainer, *, replace: bool) -> Check:
    """Compare a plan with what the dataset has already.

    Args:
        plan: The plan.
        training: The container.
        replace: Whether other bytes at a planned path are to be replaced.

    Raises:
        CurateError: They are not, or a COCO file would speak of pictures that it does not mean.
    """
    found = {blob.path: blob for folder in ("images", "annotations") for blob in _listed(plan, folder, training)}
    planned = [upload for upload in plan.uploads() if upload.path in found]
    with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
        same = list(
            map_ahead(pool, lambda one: _is_same(training, found[one.path], one), planned, ahead=2 * CALLS_AT_ONCE)
        )
    clashes = tuple(upload.path for upload, is_same in zip(planned, same, strict=True) if not is_same)
    if clashes and not replace:
        raise CurateError(
            f"{counted(len(clashes), 'blob')} of the same name and other content "
            f"{'is' if len(clashes) == 1 else 'are'} there already, such as '{clashes[0]}'. "
            "Import into another dataset, or give --replace to overwrite them"
        )
    _check_names(plan, {path for path in found if isinstance(parse_picture_path(path), PicturePath)})
    there = frozenset(upload.path for upload, is_same in zip(planned, same, strict=True) if is_same)
    return Check(there, clashes)


def upload(plan: Plan, training: BlobContainer, checked: Check, *, told: Callable[[int], None]) -> int:
    """Upload what is not there; return how many blobs were written.

    It may be killed at any moment: what is there stays, and the next import goes on.

    Args:
        plan: The plan.
        training: The container.
        checked: What storage holds of it.
        told: Called with the number of blobs that are written so far.

    Raises:
        CurateError: A local file, or a blob, was changed in the meantime.
    """
    replaced = frozenset(checked.clashes)

    def write(group: tuple[Upload, ...]) -> int:
        fresh = [one for one in group if one.path not in checked.there]
        for one in fresh:
            _write(training, one, over=one.path in replaced)
        return len(fresh)

    written = 0
    with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
        for groups in ([(one,) for one in plan.first], plan.groups):
            for count in map_ahead(pool, write, groups, ahead=2 * CALLS_AT_ONCE):
                written += count
                told(written)
    return written


def _listed(plan: Plan, folder: str, training: BlobContainer) -> Iterator[BlobProperties]:
    return training.list(f"{plan.dataset}/{folder}/")


def _is_same(training: BlobContainer, blob: BlobProperties, upload: Upload) -> bool:
    if blob.size != upload.size:
        return False
    return (blob.md5 or md5_of(training.read(blob.path).data)) == upload.md5


def _write(training: BlobContainer, upload: Upload, *, over: bool) -> None:
    data = read_local(upload.file) if upload.file else upload.data
    if md5_of(data) != upload.md5:
        raise CurateError(f"{upload.file} was changed while it was imported. Import again; what is done is skipped")
    try:
        training.write(upload.path, data, create_only=not over, content_type=upload.content_type)
    except BlobChangedError as error:
        found = training.properties(upload.path)
        if found is not None and _is_same(training, found, upload):  # of an import that was killed just now
            return
        raise CurateError(f"'{upload.path}' was uploaded by somebody else at the same time. Import again") from error


def _check_names(plan: Plan, there: set[str]) -> None:
    """Refuse a COCO file whose bare names may be pictures that are there already.

    Raises:
        CurateError: One may.
    """
    pictures = sorted({*there, *(path for spoken in plan.spoken for path in spoken.paths)})
    for spoken in plan.spoken:
        matches = match_pictures(spoken.labellings, pictures, plan.dataset)
        wrong = [
            path
            for path, where in spoken.paths.items()
            if path not in matches.found or matches.found[path].where != where
        ]
        if wrong:
            reasons = [str(finding) for finding in matches.findings]
            reason = reasons[0] if reasons else f"its records would find other pictures than '{wrong[0]}'"
            raise CurateError(f"{spoken.file}: {reason} Import into another dataset, or name pictures by longer paths")
