"""`lint FILE`: says what is wrong with a file of labels, by line, and writes a repaired copy of a COCO file."""

import argparse
from pathlib import Path
from typing import Any, Final

import msgspec

from curate.boxplaces import place_boxes
from curate.errors import CurateError, UsageError
from curate.examination import ABSENT, Examined, Measured, examine, stated_in
from curate.repair import repaired
from curate.telling import Told, as_values, counted, say, say_findings, say_object, told_of
from curate.tree import Tree, scan, size_of
from shared import limits
from shared.formats import Labelling, Parsed
from shared.formats.classlist import parse_class_list
from shared.formats.coco import parse_coco
from shared.formats.voc import parse_voc
from shared.formats.yolo import name_classes, parse_yolo
from shared.layout import is_class_list
from shared.matching import match_pictures
from shared.pictures import FORMATS

_NO_PICTURE: Final = f"not a picture of a known format ({', '.join(FORMATS)}), whatever its name says"
_LOCAL: Final = "pictures"  # stands for a dataset's name where local files are matched


def lint_file(args: argparse.Namespace) -> int:
    """Check a file; return the exit code, 1 when there is anything to tell.

    Raises:
        CurateError: It cannot be read, is of no known format, or nothing in it can be repaired.
    """
    file: Path = args.target
    if args.fix is not None and file.suffix.lower() != ".json":
        raise UsageError("only COCO files (.json) can be repaired")
    out = None if args.fix is None else _out(file, args.fix)
    data = read(file, limits.IMPORT_BYTES if file.suffix.lower() == ".json" else limits.SIDE_CAR_BYTES)
    if is_class_list(file.name):
        return _class_list(file, data, as_json=args.json)
    examined = _examined(file, data, args.pictures)
    findings = told_of(file, examined.findings)
    say_findings(findings)
    _summarise(examined, findings)
    written = out if examined.pictures else None
    if written is not None:
        _write(written, examined, args.base_url)
    if args.json:
        facts: dict[str, Any] = {"file": str(file), **examined.facts(), "findingCount": len(findings)}
        say_object({**facts, "findings": as_values(findings), "repaired": str(written) if written else None})
    if out is not None and written is None:
        raise CurateError(f"nothing of {file} can be used, so {out} was not written")
    return int(bool(findings))


def _write(out: Path, examined: Examined, base_url: str | None) -> None:
    wrote = "overwrote" if out.exists() else "wrote"
    out.write_bytes(repaired(examined.pictures, examined.labels, base_url=base_url or ""))
    pictures, labels = examined.lost
    left_out = f" ({pictures:,} left out)" if pictures else ""
    of = f" of {examined.stated[1]:,}" if labels and examined.stated else ""
    noun = "labels" if of else counted(examined.kept, "label").partition(" ")[2]
    lost = f" ({labels:,} left out: see above)" if labels else ""
    say(
        f"{wrote} {out}: {counted(len(examined.pictures), 'picture')}{left_out}, {examined.kept:,}{of} {noun}{lost}"
        f"{_caveats(examined, base_url)}"
    )


def read(file: Path, most: int) -> bytes:
    """Read a local file whole.

    Raises:
        CurateError: It is not there, cannot be read, or is too large.
    """
    try:
        if file.stat().st_size > most:
            raise CurateError(f"{file} has more than {most // 2**20} MB, which is more than a file of labels may have")
        return file.read_bytes()
    except OSError as error:
        raise CurateError(f"cannot read {file}: {error.strerror}") from error


def parse(file: Path, data: bytes) -> Parsed:
    """Read a file of labels by its ending; YOLO's class numbers get the names of the nearest class list.

    Raises:
        CurateError: It has another ending.
    """
    match file.suffix.lower():
        case ".json":
            return parse_coco(data)
        case ".xml":
            return parse_voc(data)
        case ".txt":
            return named(parse_yolo(data), _names_for(file))
    raise CurateError(
        f"{file} is no file of labels by its name: COCO is .json, Pascal VOC .xml, YOLO .txt, "
        "and its classes are in classes.txt, obj.names or data.yaml"
    )


def named(parsed: Parsed, names: tuple[str, ...]) -> Parsed:
    """Put names in the place of YOLO's class numbers."""
    if not parsed.labellings:
        return parsed
    labelling = parsed.labellings[0]
    regions, nameless = name_classes(labelling.regions, names)
    if labelling.regions and not regions:
        return Parsed(findings=(*parsed.findings, *nameless))
    labelling = Labelling(regions=regions, unit=labelling.unit, size=labelling.size, line=labelling.line)
    labels = tuple(dict.fromkeys(region.label for region in regions))
    return Parsed(labellings=(labelling,), labels=labels, findings=(*parsed.findings, *nameless))


def measure(labellings: tuple[Labelling, ...], tree: Tree) -> Measured:
    """Find the pictures of a COCO file below a folder and read their sizes."""
    sizes: dict[str, tuple[int, int] | str] = {}
    there = {f"{_LOCAL}/images/{path}": path for path in (*tree.pictures, *tree.others)}
    matches = match_pictures(labellings, there, _LOCAL)
    for path, labelling in matches.found.items():
        local = there.get(path)
        sizes[labelling.where] = (size_of(tree.file(local)) or _NO_PICTURE) if local else ABSENT
    return sizes


def _examined(file: Path, data: bytes, pictures: Path | None) -> Examined:
    if pictures is not None and not pictures.is_dir():
        raise CurateError(f"{pictures} is not a folder")
    parsed = parse(file, data)
    if file.suffix.lower() == ".json":
        sizes = measure(parsed.labellings, scan(pictures)) if pictures else {}
        examined = examine(parsed, sizes, stated_in(data))
        return msgspec.structs.replace(examined, findings=place_boxes(examined.findings, parsed, data))
    size = _size_beside(file, pictures or file.parent)
    return examine(parsed, {"": size} if size else {})


def _size_beside(file: Path, folder: Path) -> tuple[int, int] | None:
    """Return the size of the picture that a side-car speaks of."""
    beside = (other for other in folder.glob(f"{_escaped(file.stem)}.*") if other != file)
    return next((size for other in sorted(beside) if (size := size_of(other))), None)


def _escaped(stem: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in stem)


def _names_for(file: Path) -> tuple[str, ...]:
    """Return the names of the class list in a side-car's folder, or the nearest above: YOLO keeps it two up at most."""
    for folder in list(file.resolve().parents)[:3]:
        lists = sorted((other for other in folder.iterdir() if is_class_list(other.name)), reverse=True)
        for other in lists:
            names = parse_class_list(read(other, limits.SIDE_CAR_BYTES), other.name).labels
            if names:
                return names
    return ()


def _class_list(file: Path, data: bytes, *, as_json: bool) -> int:
    parsed = parse_class_list(data, file.name)
    findings = told_of(file, parsed.findings)
    say_findings(findings)
    names = [name for name in parsed.labels if name]
    say(f"{counted(len(names), 'class', 'classes')}: {', '.join(names)}")
    if as_json:
        facts = {"file": str(file), "classes": parsed.labels, "findingCount": len(findings)}
        say_object({**facts, "findings": as_values(findings)})
    return int(bool(findings))


def _summarise(examined: Examined, findings: list[Told]) -> None:
    boxes = f", {counted(examined.boxes, 'box', 'boxes')} in {_unit(examined)}" if examined.boxes else ""
    kind = (examined.kind or "kind not clear") if examined.pictures else "nothing that can be used"
    pictures, labels = examined.lost
    total = examined.stated[1] if examined.stated else 0
    left_out = f" ({pictures:,} cannot be used)" if pictures else ""
    lost = f", {labels:,} of {counted(total, 'label')} cannot be used" if labels else ""
    found = counted(len(findings), "finding")
    say(f"{counted(len(examined.pictures), 'picture')}{left_out}{boxes}{lost}; {kind}; {found}")
    counts = examined.counts()
    width = max(map(len, counts), default=0)
    for label, count in counts.items():
        say(f"  {label:{width}}  {counted(count, 'picture')}")


def _unit(examined: Examined) -> str:
    return "pixels" if examined.unit == "pixel" else "shares of the picture"


def _caveats(examined: Examined, base_url: str | None) -> str:
    unknown = sum(picture.size is None for picture in examined.pictures)
    nowhere = 0 if base_url else sum(not picture.url for picture in examined.pictures)
    caveats = [
        f"{unknown} without width and height (--pictures DIR measures them)" if unknown else "",
        f"{nowhere} without a URL have their name in its place (--base-url URL)" if nowhere else "",
    ]
    return "".join(f"; {caveat}" for caveat in caveats if caveat)


def _out(file: Path, wanted: str) -> Path:
    """Return where the repaired copy goes.

    Raises:
        UsageError: Something is there that we did not write.
    """
    if not wanted:
        return file.with_name(f"{file.stem}.repaired.json")
    out = Path(wanted)
    if out.exists():
        raise UsageError(f"{out} is there already; name a file that is not")
    return out
