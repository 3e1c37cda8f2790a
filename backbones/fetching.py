"""Brings the files of a backbone into a folder: from a URL whose digest is known, an archive, a folder or a network."""

import hashlib
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Final

import httpx

from backbones.errors import FetchError, UsageError

MOST_BYTES: Final = 1_073_741_824  # of a download, of an archive's content, and of a network
MOST_WORDS: Final = 1_048_576  # bytes of a file of words
MANIFEST: Final = "META.json"
NETWORK: Final = "model.onnx"
MOST_HOPS: Final = 5
_WORDS: Final = ("LICENSE", "LICENCE", "NOTICE", "README", "MODEL_CARD")  # begin the names of what is kept beside them
_PIECE: Final = 1 << 20
_SECONDS: Final = 60.0
_AS_IT_IS: Final = {"Accept-Encoding": "identity"}  # a .tar.gz must not be unpacked on the way
_BROKEN: Final = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    RuntimeError,  # an encrypted zip
    NotImplementedError,  # a compression that Python does not know
    UnicodeError,
)


def download(url: str, sha256: str, place: Path, *, client: httpx.Client | None = None, most: int = MOST_BYTES) -> None:
    """Fetches a file; it is at its place only when all of it came and has the digest.

    Args:
        url: https; so is every address that it is forwarded to.
        sha256: Of the file, 64 hex digits.
        place: Where it goes.
        client: Makes the requests; one of our own when absent.
        most: Bytes it may have.

    Raises:
        UsageError: The URL or the digest is no such thing.
        FetchError: It could not be fetched, is too large, or has another digest.
    """
    if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
        raise UsageError(f"--sha256 takes the 64 hex digits of the file's SHA-256, not '{sha256}'")
    part = place.with_name(f"{place.name}.part")
    digest, size = hashlib.sha256(), 0
    try:
        with (
            client or httpx.Client(timeout=_SECONDS) as asking,
            _answer(asking, url) as answer,
            part.open("wb") as file,
        ):
            for piece in answer.iter_raw(_PIECE):
                size += len(piece)
                _bound(size, url, most)
                digest.update(piece)
                file.write(piece)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FetchError(
            f"{url} cannot be fetched ({error or type(error).__name__}); try again, or add a file"
        ) from error
    if digest.hexdigest() != sha256:
        part.unlink()
        raise FetchError(
            f"{url} has sha256 {digest.hexdigest()}, not {sha256}; it is not what you were told, or has changed"
        )
    part.replace(place)


def take_file(source: Path, folder: Path, manifest: Path | None) -> None:
    """Takes a network with its manifest, or an archive, into a folder.

    Args:
        source: A .onnx, .zip or .tar.gz file.
        folder: Where META.json and model.onnx go.
        manifest: Of a .onnx file; an archive brings its own.

    Raises:
        UsageError: The manifest is missing, or one too many.
        FetchError: The archive does not hold what a backbone needs.
    """
    archive = zipfile.is_zipfile(source) or tarfile.is_tarfile(source)
    if archive and manifest is not None:
        raise UsageError("--manifest is for a network alone; an archive holds its own META.json")
    if archive:
        unpack(source, folder)
    elif manifest is None:
        raise UsageError(f"{source.name} is no .zip or .tar.gz; a network alone needs --manifest FILE, its META.json")
    else:
        _copy(manifest, folder / MANIFEST, MOST_WORDS)
        _copy(source, folder / NETWORK, MOST_BYTES)


def take_folder(source: Path, folder: Path) -> None:
    """Copies what belongs to a backbone from one folder into another.

    Raises:
        FetchError: META.json or model.onnx is not there.
    """
    for name in (MANIFEST, NETWORK):
        if not (source / name).is_file():
            raise FetchError(f"{source} has no {name}; a backbone's folder holds {MANIFEST} and {NETWORK}")
    for path in sorted(source.iterdir()):
        if path.is_file() and _most(path.name):
            _copy(path, folder / path.name, _most(path.name))


def unpack(archive: Path, folder: Path, *, most: int = MOST_BYTES) -> None:
    """Writes what belongs to a backbone from a .zip or .tar.gz into a folder, under names of ours.

    The files may lie in one folder inside the archive. Whatever else is in it is passed over.

    Args:
        archive: The file.
        folder: Where they go.
        most: Bytes that all of the archive may unpack to.

    Raises:
        FetchError: It is damaged, too large, or has no META.json or two.
    """
    members = _zip_members if zipfile.is_zipfile(archive) else _tar_members
    try:
        places = [PurePosixPath(name).parent for name, _ in members(archive, most) if _base(name) == MANIFEST]
        if len(places) != 1:
            raise FetchError(f"{archive.name} holds {len(places)} files {MANIFEST}; a backbone has one")
        for name, content in members(archive, most):
            if PurePosixPath(name).parent == places[0] and _most(_base(name)) and content is not None:
                _write(content, folder / _base(name), _most(_base(name)))
    except _BROKEN as error:
        raise FetchError(f"{archive.name} cannot be unpacked ({error}); fetch it again") from error
    if not (folder / NETWORK).is_file():
        raise FetchError(f"{archive.name} has no {NETWORK} beside its {MANIFEST}")


@contextmanager
def _answer(client: httpx.Client, url: str) -> Iterator[httpx.Response]:
    """Asks for a URL, and for where it forwards to."""
    asked = httpx.URL(url)
    for _ in range(MOST_HOPS + 1):
        if asked.scheme != "https":
            raise UsageError(f"{asked} is no https address; without it nobody knows who answers")
        with client.stream("GET", asked, headers=_AS_IT_IS) as answer:
            if answer.next_request is None:
                answer.raise_for_status()
                yield answer
                return
            asked = answer.next_request.url
    raise FetchError(f"{url} forwards more than {MOST_HOPS} times; name the last address")


def _bound(size: int, what: str, most: int) -> None:
    if size > most:
        raise FetchError(f"{what} has more than {most} bytes; no backbone needs so many")


def _zip_members(path: Path, most: int) -> Iterator[tuple[str, IO[bytes] | None]]:
    with zipfile.ZipFile(path) as archive:
        _bound(sum(member.file_size for member in archive.infolist()), f"the content of {path.name}", most)
        for member in archive.infolist():
            if not member.is_dir():
                with archive.open(member) as content:
                    yield member.filename, content


def _tar_members(path: Path, most: int) -> Iterator[tuple[str, IO[bytes] | None]]:
    total = 0
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            total += member.size
            _bound(total, f"the content of {path.name}", most)  # before it is unpacked to find the next
            if member.isreg():
                yield member.name, archive.extractfile(member)


def _base(name: str) -> str:
    return PurePosixPath(name).name


def _most(name: str) -> int:
    """Returns how many bytes a file of a backbone may have, 0 when it is none of its files."""
    if name == NETWORK:
        return MOST_BYTES
    return MOST_WORDS if name == MANIFEST or name.upper().startswith(_WORDS) else 0


def _copy(source: Path, place: Path, most: int) -> None:
    if source.stat().st_size > most:
        raise FetchError(f"{source} has more than {most} bytes; it is not what a backbone has")
    shutil.copyfile(source, place)


def _write(content: IO[bytes], place: Path, most: int) -> None:
    left = most
    with place.open("wb") as file:
        while piece := content.read(min(_PIECE, left + 1)):
            left -= len(piece)
            if left < 0:
                raise FetchError(f"{place.name} has more than {most} bytes in the archive")
            file.write(piece)
