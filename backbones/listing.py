"""Says what is known of backbones: as a table, in words, and as rows for programs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from backbones.adding import CHECK
from backbones.checking import Checked, origin_of
from backbones.shelf import ALWAYS_THERE, Shelf
from engine.learn.backbone import load_backbone
from engine.learn.errors import BackboneError
from engine.learn.manifest import read_manifest, read_origin
from engine.learn.network import digest_of

_HEAD: Final = ("", "name", "width", "ms", "digest", "licence")


def rows_of(shelf: Shelf) -> list[dict[str, Any]]:
    """Returns a row for each backbone, the built-in ones first: name, inUse, digest, width, milliseconds, licence.

    One whose files cannot be read has `problem` instead of the rest.
    """
    used = shelf.used.split("+")
    rows = []
    for name in (*ALWAYS_THERE, *shelf.names):
        try:
            facts = _built_in(name) if name in ALWAYS_THERE else _stored(shelf, name)
        except (BackboneError, OSError, ValueError) as error:
            facts = {"problem": str(error)}
        rows.append({"name": name, "inUse": name in used, **facts})
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Writes the rows for people; what is in use has a star."""
    lines = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def words(checked: Checked) -> str:
    """Says what was found of a backbone that fits."""
    maps = ", ".join(f"{count} channels at stride {stride}" for stride, count in checked.channels.items())
    return "\n".join(
        (
            f"{checked.name} fits",
            f"  digest   {checked.digest}",
            f"  features {checked.width}",
            f"  maps     {maps}",
            f"  speed    {checked.milliseconds:.1f} ms of one core for a picture of 224 x 224",
            f"  licence  {checked.licence or 'META.json names none: find out before you pass models on'}",
            f"  source   {checked.source or 'META.json names none'}",
        )
    )


def _built_in(name: str) -> dict[str, Any]:
    backbone = load_backbone(name)
    licence = origin_of(name).licence
    return {"digest": backbone.digest, "width": backbone.width, "milliseconds": None, "licence": licence}


def _stored(shelf: Shelf, name: str) -> dict[str, Any]:
    folder = shelf.folder / name
    digest, licence = digest_of(read_manifest(folder)), read_origin(folder).licence
    found: dict[str, Any] = {}
    if (folder / CHECK).is_file():
        found = json.loads((folder / CHECK).read_text(encoding="utf-8"))
    if found.get("digest") != digest:  # by an older engine, or of other files
        found = {}
    return {
        "digest": digest,
        "width": found.get("width"),
        "milliseconds": found.get("milliseconds"),
        "licence": licence,
    }


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    star = "*" if row["inUse"] else ""
    if "problem" in row:
        return (star, row["name"], "", "", "", str(row["problem"]))
    milliseconds = row["milliseconds"]
    return (
        star,
        row["name"],
        str(row["width"] or "?"),
        "?" if milliseconds is None else f"{milliseconds:.1f}",
        row["digest"][:12],
        row["licence"] or "unknown",
    )
