"""`export CONTAINER/DATASET --format … --to DIR`: a dataset as ordinary files, with or without its pictures."""

import argparse
import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any, Final

from curate.errors import CurateError
from curate.formats import write_file, writer_of
from curate.source import Source, open_source
from curate.storage import Storage, Target
from curate.telling import Told, as_values, counted, say, say_findings, say_object
from shared import limits
from shared.ahead import map_ahead
from shared.coco import Image, stem_of
from shared.errors import BlobChangedError, BlobNotFoundError, BlobTooLargeError
from shared.formats import Region
from shared.formats.cocowriter import Exported
from shared.stock import Picture
from shared.storage import BlobContainer
from shared.tallies import sort_of

_TRIES: Final = 3
_CALLS_AT_ONCE: Final = 8
_MOST_FINDINGS: Final = 1_000


@dataclass
class _Count:
    """What one try came to."""

    pictures: int = 0
    annotations: int = 0
    whole: int = 0  # labels of a whole picture
    unlabelled: int = 0
    downloaded: int = 0
    skipped: int = 0
    findings: list[Told] = field(default_factory=list)
    refused: int = 0

    def tell(self, path: str, reason: str) -> None:
        self.refused += 1
        if len(self.findings) < _MOST_FINDINGS:
            self.findings.append(Told(place=path, reason=reason))


def export_dataset(args: argparse.Namespace, open_target: Callable[[Target], Storage]) -> int:
    """Export; return the exit code, 1 when something was left out.

    Raises:
        CurateError: There is no such dataset or snapshot, or the folder cannot be written into.
        StorageError: Storage failed; with --force a second export goes on.
    """
    target: Target = args.target
    training = open_target(target).training
    folder: Path = args.to
    source = open_source(training, target.dataset, args.snapshot)
    _prepare(folder, force=args.force)
    for _ in range(_TRIES):
        try:
            count = _try(training, source, target, folder, args)
            break
        except BlobChangedError:  # folded meanwhile: begin again with the newest state
            source = open_source(training, target.dataset, args.snapshot)
        except OSError as error:
            raise CurateError(f"cannot write into {folder}: {error.strerror or error}") from error
    else:
        raise CurateError(
            f"pictures of {target} are still coming in: its COCO file changed while it was read. Try again"
        )
    say_findings(count.findings)
    _say(count, target, args)
    if args.json:
        facts: dict[str, Any] = {
            "source": str(target),
            "format": args.format,
            "folder": str(folder),
            "pictures": count.pictures,
            "annotations": count.annotations,
            "labels": list(source.labels),
            "unlabelled": count.unlabelled,
            "downloaded": count.downloaded,
            "skipped": count.skipped,
        }
        say_object({**facts, "findingCount": count.refused, "findings": as_values(count.findings)})
    return int(bool(count.refused))


def _prepare(folder: Path, *, force: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not force and any(folder.iterdir()):
            raise CurateError(f"{folder} is not empty. Name another folder, or give --force to write into it")
    except OSError as error:
        raise CurateError(f"cannot write into {folder}: {error.strerror}") from error


def _try(training: BlobContainer, source: Source, target: Target, folder: Path, args: argparse.Namespace) -> _Count:
    count = _Count()
    writer = writer_of(args.format, folder, source.labels, source.sides)
    stems: set[int] = set()

    def written() -> Iterator[tuple[str, Image]]:
        """Write each picture's labels, and give the picture for its download."""
        for picture, side in source.pictures():
            name = _name(picture, target, count, is_live=side is None)
            if name is None:
                continue
            if args.format != "coco" and (stem := hash(stem_of(name))) in stems:
                count.tell(
                    picture.image.file_name, "shares its file of labels with another picture. Rename one of them."
                )
                continue
            if args.format != "coco":
                stems.add(stem)
            writer.put(_exported(name, picture, count), side)
            yield name, picture.image

    def fetch(item: tuple[str, Image]) -> tuple[Image, str]:
        return item[1], _fetch(training, item[1], folder / "images" / item[0]) if args.pictures else ""

    with ThreadPoolExecutor(_CALLS_AT_ONCE) as pool:
        for image, outcome in map_ahead(pool, fetch, written(), ahead=2 * _CALLS_AT_ONCE):
            match outcome:
                case "":
                    pass
                case "downloaded":
                    count.downloaded += 1
                case "skipped":
                    count.skipped += 1
                case reason:
                    count.tell(image.file_name, reason)
    writer.finish()
    return count


def _name(picture: Picture, target: Target, count: _Count, *, is_live: bool) -> str | None:
    """Return a picture's name below ``images``, or None when it is left out."""
    image = picture.image
    if is_live and sort_of(image, picture.annotations) == "unlabelled":
        count.unlabelled += 1  # written without labels it would be taken to show nothing
        return None
    name = image.file_name.removeprefix(f"{target.dataset}/images/")
    if name == image.file_name or not is_inside(name):
        count.tell(image.file_name, "its path could leave the folder of the export, so it is left out. Rename it.")
        return None
    return name


def is_inside(name: str) -> bool:
    """Tell whether a relative path stays below its folder, and is a file's on every system."""
    parts = name.split("/")
    strange = "\\" in name or "\0" in name or bool(PureWindowsPath(name).drive)
    return not strange and all(part not in ("", ".", "..") for part in parts)


def _exported(name: str, picture: Picture, count: _Count) -> Exported:
    regions = tuple(
        Region(label, annotation.bbox) for label, annotation in zip(picture.names, picture.annotations, strict=True)
    )
    count.pictures += 1
    count.annotations += len(regions)
    count.whole += sum(region.box is None for region in regions)
    return Exported(file_name=name, size=(picture.image.width, picture.image.height), regions=regions)


def _fetch(training: BlobContainer, image: Image, file: Path) -> str:
    """Download a picture unless it is there; return what came of it, or why it is not there."""
    if file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == image.sha256:
        return "skipped"
    try:
        blob = training.read(image.file_name, max_bytes=limits.TRAINING_BYTES)
    except (BlobNotFoundError, BlobTooLargeError):
        return "was deleted or replaced since it was folded, so it is not among the pictures. Export again."
    if hashlib.sha256(blob.data).hexdigest() != image.sha256:
        return "was replaced since it was folded, so it is not among the pictures. Export again."
    write_file(file, blob.data)
    return "downloaded"


def _say(count: _Count, target: Target, args: argparse.Namespace) -> None:
    what = f"snapshot {args.snapshot} of {target}" if args.snapshot else str(target)
    say(
        f"exported {what} to {args.to}: {counted(count.pictures, 'picture')}, "
        f"{counted(count.annotations, 'label')} as {args.format}"
    )
    if args.pictures:
        say(f"downloaded {counted(count.downloaded, 'picture')}; skipped {count.skipped:,} that were there already")
    if count.unlabelled:
        say(f"left out: {counted(count.unlabelled, 'picture')} without a label")
    if count.whole and args.format != "coco":
        say(
            f"{counted(count.whole, 'label')} of a whole picture became a box of the whole picture, because "
            f"{args.format} has no other way; imported again the dataset is one of detection. --format coco keeps them."
        )
