"""Puts a backbone on the shelf, once it is known to fit."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from backbones.checking import Checked, check_backbone
from backbones.errors import UsageError
from backbones.fetching import download, take_file, take_folder
from backbones.shelf import Shelf, is_name
from engine.learn.errors import BackboneError
from engine.learn.manifest import read_manifest
from engine.learn.network import digest_of

CHECK: Final = "check.json"


def add_backbone(
    shelf: Shelf,
    source: str,
    *,
    name: str | None = None,
    sha256: str | None = None,
    manifest: Path | None = None,
    client: httpx.Client | None = None,
) -> tuple[str, Checked]:
    """Fetches a backbone, checks it, and puts it on the shelf; what does not fit leaves nothing there.

    Args:
        shelf: Takes it.
        source: An https URL of a .zip, .tar.gz or .onnx file, or a path of such a file or of a folder.
        name: What it is called here; without it as its manifest says.
        sha256: Of what lies at the URL.
        manifest: META.json of a .onnx file.
        client: Fetches; one of our own when absent.

    Returns:
        Its name, and what was found.

    Raises:
        ShelfError: It cannot be fetched, or its name is taken.
        BackboneError: It does not fit.
    """
    with _stage(shelf.folder) as stage:
        files = stage / "files"
        files.mkdir()
        _bring(source, stage, files, sha256, manifest, client)
        chosen = _name(shelf, files, name)
        checked = check_backbone(files)
        content = json.dumps(checked.document(), indent=1, sort_keys=True)
        (files / CHECK).write_text(content + "\n", encoding="utf-8")
        place = shelf.folder / chosen
        if place.exists():
            shutil.rmtree(place)  # the same, as `_name` made sure
        files.replace(place)
    return chosen, checked


def _bring(
    source: str, stage: Path, files: Path, sha256: str | None, manifest: Path | None, client: httpx.Client | None
) -> None:
    if manifest is not None and not manifest.is_file():
        raise UsageError(f"--manifest: there is no file {manifest}")
    if "://" in source:
        if sha256 is None:
            raise UsageError(
                "a URL needs --sha256 HEX, the digest of what lies there, from where you found the address"
            )
        place = stage / "download"
        download(source, sha256.lower(), place, client=client)
        take_file(place, files, manifest)
        return
    path = Path(source).expanduser()
    if sha256 is not None:
        raise UsageError("--sha256 is for URLs; what lies here is checked by the digest in its META.json")
    if path.is_dir():
        if manifest is not None:
            raise UsageError("--manifest is for a network alone; a folder holds its own META.json")
        take_folder(path, files)
    elif path.is_file():
        take_file(path, files, manifest)
    else:
        raise UsageError(f"there is no file or folder {source}")


def _name(shelf: Shelf, files: Path, wanted: str | None) -> str:
    """Returns the name under which the files go on the shelf: one that is free, or has the same backbone already."""
    manifest = read_manifest(files)
    name = wanted or re.sub(r"[^A-Za-z0-9._-]+", "-", manifest.name).strip("-._")[:64]
    if not is_name(name):
        raise UsageError(
            f"'{name}' cannot be the name of a backbone; choose another with --name: up to 64 letters, digits, "
            "'.', '_', '-', and none that is built in"
        )
    if (shelf.folder / name).exists():
        try:
            same = digest_of(read_manifest(shelf.folder / name)) == digest_of(manifest)
        except BackboneError:
            same = False
        if not same:
            raise UsageError(
                f"there is another backbone '{name}' in {shelf.folder}; choose a --name. Models need the old one as "
                "long as they are not trained again"
            )
    return name


@contextmanager
def _stage(folder: Path) -> Iterator[Path]:
    """Makes a folder on the shelf's disk for what is not whole yet."""
    stage = folder / f".adding-{os.getpid()}"
    stage.mkdir(parents=True)
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)
