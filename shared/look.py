"""Looks at a path of a dataset: reads the blob once, whole, and says what it is (picture, side-car, class list)."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

from shared import limits
from shared.coco import Claim, Seen
from shared.errors import BlobArchivedError, BlobNotFoundError, BlobTooLargeError
from shared.formats import Finding, Labelling, Parsed, label_problem
from shared.formats.classlist import parse_class_list
from shared.formats.voc import parse_voc
from shared.formats.yolo import parse_yolo
from shared.layout import SIDE_CAR_SUFFIXES, PicturePath, is_class_list, normalise_label, parse_picture_path
from shared.pictures import Facts, inspect
from shared.storage import Blob, BlobContainer

MOST_FINDINGS: Final = 3  # of one file, in its problem


def look(training: BlobContainer, path: str) -> Seen | None:
    """Read what lies at a path under ``{dataset}/images/``; None when nothing does, or only a folder."""
    is_text = is_label_file(path)
    bound = limits.SIDE_CAR_BYTES if is_text else limits.TRAINING_BYTES
    try:
        blob = training.read(path, max_bytes=bound)
    except BlobNotFoundError:
        return None
    except BlobTooLargeError as error:
        what = "a file of labels has" if is_text else "training takes"
        problem = f"{error.size:,} bytes; {what} at most {bound // 2**20} MB"
        return Seen(etag=error.etag, problem=problem)
    except BlobArchivedError as error:
        problem = "is in the archive tier, where nothing can read it. Delete it, and upload it again."
        return Seen(etag=error.etag, problem=problem)
    if blob.properties.is_folder:
        return None
    if is_text:
        return _label_file(path, blob)
    return picture(path, inspect(blob.data, etag=blob.properties.etag, labels=_metadata_labels(blob)))


def is_label_file(path: str) -> bool:
    """Tell whether a path is a side-car's or a class list's: by its name."""
    return path.lower().endswith(SIDE_CAR_SUFFIXES) or is_class_list(path)


def picture(path: str, facts: Facts) -> Seen:
    """Join a picture's facts with what is wrong with its place or its metadata, if anything."""
    if facts.problem is not None:
        return Seen(etag=facts.etag, facts=facts)
    where = parse_picture_path(path)
    folder = where.label if isinstance(where, PicturePath) else None
    if folder is not None and (trouble := label_problem(folder)):
        return Seen(etag=facts.etag, problem=f"the folder {trouble}")
    for label in facts.labels:
        if trouble := label_problem(label):
            return Seen(etag=facts.etag, problem=f"the metadata 'label' {trouble}")
    return Seen(etag=facts.etag, facts=facts)


def _metadata_labels(blob: Blob) -> tuple[str, ...]:
    """Return the blob's metadata `label`; headers are ASCII, so other characters come percent-encoded."""
    found = blob.properties.metadata.get("label")
    return (normalise_label(unquote(found)),) if found is not None else ()


def _label_file(path: str, blob: Blob) -> Seen:
    etag = blob.properties.etag
    name = path.rpartition("/")[2]
    if is_class_list(path):
        parsed = parse_class_list(blob.data, name)
        nothing = Finding(reason="names no class. Correct it, or delete it.")
        findings = parsed.findings or (() if parsed.labels else (nothing,))
        return Seen(etag=etag, names=parsed.labels or None, problem=_problem(findings))
    suffix = name.lower().rpartition(".")[2]
    if suffix == "json":
        reason = "a JSON file beside pictures is not read. Put COCO files into annotations/ of the dataset."
        return Seen(etag=etag, problem=reason)
    parsed = parse_voc(blob.data) if suffix == "xml" else parse_yolo(blob.data)
    claim = None
    if parsed.labellings:
        claim = claim_of(parsed.labellings[0], path=path, etag=etag, numbered=suffix == "txt")
    elif suffix == "xml" or blob.data.lstrip()[:1].isdigit():  # other text, such as a caption, was not meant for us
        claim = Claim(path=path, etag=etag, unusable=True)
    if claim is None and suffix == "txt":
        return Seen(etag=etag, problem="is no YOLO file, and is not read. Keep notes outside images/.")
    return Seen(etag=etag, claim=claim, problem=_problem(_findings(parsed)))


def claim_of(labelling: Labelling, *, path: str, etag: str, source: str = "", numbered: bool = False) -> Claim:
    """Return what a file says of one picture, as the COCO file keeps it."""
    return Claim(
        path=path,
        etag=etag,
        source=source,
        regions=labelling.regions,
        unit=labelling.unit,
        size=labelling.size,
        numbered=numbered,
    )


def _findings(parsed: Parsed) -> tuple[Finding, ...]:
    nothing = Finding(reason="says nothing of a picture. Correct it, or delete it.")
    return parsed.findings or (() if parsed.labellings else (nothing,))


def _problem(findings: Iterable[Finding]) -> str | None:
    told = list(findings)
    text = " ".join(str(finding) for finding in told[:MOST_FINDINGS])
    more = f" ({len(told) - MOST_FINDINGS} more)" if len(told) > MOST_FINDINGS else ""
    return text + more or None
