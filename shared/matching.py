"""Finds the pictures that an imported file speaks of: files name pictures by URL, by path, or by bare name. Pure.

A name fits a picture when their last parts are equal; of several pictures the one that shares most parts is meant. A
Custom Vision export names pictures without extension, so there a name also fits with one (contract §7).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from shared.coco import stem_of
from shared.formats import Finding, Labelling


@dataclass(frozen=True, slots=True)
class Matches:
    """The outcome.

    Attributes:
        found: Path of a picture → what the file says of it; of pictures that are not there, the likeliest path.
        missing: How many of them are not there.
        findings: Names that cannot be resolved.
    """

    found: dict[str, Labelling]
    missing: int
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class _Best:
    labelling: Labelling
    names: tuple[tuple[str, ...], ...]
    score: int = 0
    paths: list[str] = field(default_factory=list)


def match_pictures(labellings: Iterable[Labelling], pictures: Iterable[str], dataset: str) -> Matches:
    """Find each labelling's picture.

    Args:
        labellings: What a file says.
        pictures: The paths of all pictures of the dataset.
        dataset: Its name.
    """
    wanted: dict[str, list[_Best]] = defaultdict(list)
    entries = []
    for labelling in labellings:
        entry = _Best(labelling, tuple(_parts(name) for name in _names(labelling)))
        entries.append(entry)
        for last in {names[-1] for names in entry.names if names}:
            for key in {last, stem_of(last)}:
                wanted[key].append(entry)
    for path in pictures:
        parts = tuple(path.split("/"))
        for key in {parts[-1], stem_of(parts[-1])}:
            for entry in wanted.get(key, ()):
                _weigh(entry, path, parts)
    return _outcome(entries, dataset)


def _weigh(entry: _Best, path: str, parts: Sequence[str]) -> None:
    score = max(_shared(names, parts) for names in entry.names if names)
    if score > entry.score:
        entry.score, entry.paths = score, [path]
    elif score == entry.score > 0 and path not in entry.paths:
        entry.paths.append(path)


def _outcome(entries: Iterable[_Best], dataset: str) -> Matches:
    found: dict[str, Labelling] = {}
    findings = []
    missing = 0
    for entry in entries:
        labelling = entry.labelling
        name = labelling.picture or labelling.url
        if len(entry.paths) > 1:
            reason = (
                f"'{name}' may be '{entry.paths[0]}' or '{entry.paths[1]}'. "
                "Name it by its path from images/ on, and upload the file again."
            )
        elif not any(entry.names):
            reason = "names no picture. Give it a file_name."
        else:
            path = entry.paths[0] if entry.paths else _likeliest(entry, dataset)
            missing += not entry.paths
            if found.setdefault(path, labelling) is labelling:
                continue
            reason = f"speaks of '{path}' a second time; the first time holds. Remove one."
        findings.append(Finding(where=labelling.where, line=labelling.line, reason=reason))
    return Matches(found, missing, tuple(findings))


def _names(labelling: Labelling) -> list[str]:
    names = [unquote(urlsplit(labelling.url).path)] if labelling.url else []
    return [*names, labelling.picture] if labelling.picture else names


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", ".", ".."))


def _shared(names: Sequence[str], parts: Sequence[str]) -> int:
    """Count the equal parts at the end; a last part without extension may lack the other's."""
    one, other = names[-1], parts[-1]
    bare = stem_of(one) == one or stem_of(other) == other
    if one != other and not (bare and stem_of(one) == stem_of(other)):
        return 0
    count = 1
    for mine, theirs in zip(reversed(names[:-1]), reversed(parts[:-1]), strict=False):
        if mine != theirs:
            break
        count += 1
    return count


def _likeliest(entry: _Best, dataset: str) -> str:
    """Return where the picture would lie if it were uploaded: what follows the last ``images`` in its name."""
    named = [names for names in entry.names if names]
    for names in named:
        if "images" in names[:-1]:
            start = len(names) - 2 - names[-2::-1].index("images")
            return "/".join([dataset, *names[start:]])
    return "/".join([dataset, "images", *named[-1]])
