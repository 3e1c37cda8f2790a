"""Finds the pictures that an imported file speaks of: files name pictures by URL, by path, or by bare name. Pure.

A picture whose path below ``images/`` is a name is meant by it. Of the others a name fits a picture when one is the end
of the other: ``a.jpg`` fits ``nut/a.jpg``, and ``project/a.jpg`` fits ``a.jpg``, but ``cats/a.jpg`` does not fit
``dogs/a.jpg``. Of several pictures the one that shares most parts is meant, and of several names the one that shares
most parts with it. A name with ``{dataset}/images/`` in it is a whole path: it fits no other picture. A Custom Vision
export names pictures without extension, so there a name also fits with one (contract §7).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from shared.coco import stem_of
from shared.formats import Finding, Labelling
from shared.formats.coco import path_of_url


@dataclass(frozen=True, slots=True)
class Matches:
    """The outcome.

    Attributes:
        found: Path of a picture → what the file says of it; of pictures that are not there, the likeliest path.
        missing: How many of them are not there.
        loose: How many were found by a part of their name, or may be one of several: other pictures may fit better.
        findings: Names that cannot be resolved.
    """

    found: dict[str, Labelling]
    missing: int
    loose: int
    findings: tuple[Finding, ...]


@dataclass(slots=True, eq=False)
class _Best:
    labelling: Labelling
    names: tuple[tuple[str, ...], ...]
    least: int = 0  # parts that a picture must share: all of them when a name is a whole path
    score: int = 0  # twice the shared parts, and one more when the last one is the same with its extension
    paths: list[str] = field(default_factory=list)  # the pictures of that score, two at most

    def offer(self, path: str, score: int) -> None:
        if score > self.score:
            self.score, self.paths = score, [path]
        elif score == self.score and len(self.paths) < 2 and path not in self.paths:
            self.paths.append(path)


def match_pictures(labellings: Iterable[Labelling], pictures: Iterable[str], dataset: str) -> Matches:
    """Find each labelling's picture.

    Args:
        labellings: What a file says.
        pictures: The paths of all pictures of the dataset.
        dataset: Its name.
    """
    exact: dict[str, Labelling] = {}
    again: list[Labelling] = []  # those that name what another has named
    for labelling in labellings:
        path = _likeliest(labelling, dataset)
        if path is None or exact.setdefault(path, labelling) is not labelling:
            again.append(labelling)
    found: dict[str, Labelling] = {}
    rest = []
    for path in pictures:
        if path in exact:
            found[path] = exact.pop(path)
        else:
            rest.append(path)
    findings = [_told_again(labelling, dataset) for labelling in again]
    return _outcome(_weighed(exact.values(), rest, dataset), dataset, found, findings)


def _weighed(labellings: Iterable[Labelling], pictures: Iterable[str], dataset: str) -> list[_Best]:
    """Weigh names against pictures that none of them names exactly."""
    wanted: dict[str, list[_Best]] = defaultdict(list)
    entries = []
    for labelling in labellings:
        names = tuple(_names(labelling))
        entry = _Best(labelling, names, max(_whole(parts, dataset) for parts in names))
        entries.append(entry)
        for parts in names:
            for key in _keys(parts, 1) | _keys(parts, 2):
                if entry not in (others := wanted[key])[-1:]:
                    others.append(entry)
    for path in pictures if entries else ():
        parts = tuple(path.split("/"))
        for count in (2, 1):
            hits = (entry for key in _keys(parts, count) for entry in wanted.get(key, ()))
            scores = {entry: score for entry in hits if (score := _score(entry, parts))}
            if scores:
                most = max(scores.values())
                for entry, score in scores.items():
                    if score == most:
                        entry.offer(path, score)
                break
    return entries


def _keys(parts: Sequence[str], count: int) -> set[str]:
    """Return what is looked up for so many parts at the end of a name: with and without the extension."""
    tail = "/".join(parts[-count:])
    return {tail, stem_of(tail)} if count <= len(parts) else set()


def _score(entry: _Best, parts: Sequence[str]) -> int:
    score = max(_shared(names, parts) for names in entry.names)
    return score if score >= 2 * entry.least else 0


def _outcome(entries: Iterable[_Best], dataset: str, found: dict[str, Labelling], findings: list[Finding]) -> Matches:
    owners: dict[str, _Best] = {}
    for entry in entries:
        if len(entry.paths) == 1:
            owners.setdefault(entry.paths[0], entry)
    missing = loose = 0
    for entry in entries:
        labelling = entry.labelling
        if len(entry.paths) > 1:
            loose += 1
            reason = (
                f"'{labelling.picture or labelling.url}' may be '{entry.paths[0]}' or '{entry.paths[1]}'. "
                "Name it by its path from images/ on, and upload the file again."
            )
        elif entry.paths and owners[entry.paths[0]] is not entry:
            reason = f"speaks of '{entry.paths[0]}' a second time; the first time holds. Remove one."
        else:
            loose += len(entry.paths)
            missing += not entry.paths
            path = entry.paths[0] if entry.paths else _likeliest(labelling, dataset)
            if path is not None:
                found.setdefault(path, labelling)
            continue
        findings.append(Finding(where=labelling.where, line=labelling.line, reason=reason))
    return Matches(found, missing, loose, tuple(findings))


def _told_again(labelling: Labelling, dataset: str) -> Finding:
    path = _likeliest(labelling, dataset)
    reason = (
        f"speaks of '{path}' a second time; the first time holds. Remove one."
        if path
        else "names no picture. Give it a file_name."
    )
    return Finding(where=labelling.where, line=labelling.line, reason=reason)


def _names(labelling: Labelling) -> Iterator[tuple[str, ...]]:
    """Give each name that a file has for a picture, in parts; also what follows the last ``images`` in it."""
    for name in (path_of_url(labelling.url), labelling.picture):
        parts = _parts(name)
        if parts:
            yield parts
        if "images" in parts[:-1]:
            yield parts[len(parts) - 1 - parts[-2::-1].index("images") :]


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", ".", ".."))


def _shared(names: Sequence[str], parts: Sequence[str]) -> int:
    """Weigh the equal parts at the end (see `_Best.score`); 0 when neither is the other's end.

    A last part without extension may lack the other's.
    """
    one, other = names[-1], parts[-1]
    bare = stem_of(one) == one or stem_of(other) == other
    if one != other and not (bare and stem_of(one) == stem_of(other)):
        return 0
    count = 1
    for mine, theirs in zip(reversed(names[:-1]), reversed(parts[:-1]), strict=False):
        if mine != theirs:
            break
        count += 1
    if count < min(len(names), len(parts) - 2):
        return 0
    return 2 * count + (one == other)


def _whole(parts: Sequence[str], dataset: str) -> int:
    """Return how many parts a name has from the dataset's own folder of pictures on; 0 when it is not in the name."""
    starts = (at for at in range(len(parts) - 2) if tuple(parts[at : at + 2]) == (dataset, "images"))
    return len(parts) - max(starts, default=len(parts))


def _likeliest(labelling: Labelling, dataset: str) -> str | None:
    """Return where the picture lies if it was uploaded under its name; None when it has none.

    That is the name from the dataset's own ``images/`` on, or what follows the last ``images`` in it, or all of it;
    of a URL and a file name the first that has ``images`` in it, or the file name.
    """
    last: tuple[str, ...] = ()
    for name in (path_of_url(labelling.url), labelling.picture):
        parts = _parts(name)
        if whole := _whole(parts, dataset):
            return "/".join(parts[len(parts) - whole :])
        if "images" in parts[:-1]:
            start = len(parts) - 1 - parts[-2::-1].index("images")
            return "/".join((dataset, "images", *parts[start:]))
        last = parts or last
    return "/".join((dataset, "images", *last)) if last else None
