"""A full look at a dataset: what the head of its COCO file cannot tell (copies, conflicts, the digest of a snapshot).

It reads all records twice, so it is taken when the policy would say go, or when the file is small, and kept in the
registry until the file changes. Pure but for `Surveys`, which keeps it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from shared.coco import Category, Records
from shared.kinds import Kind, misfit
from shared.snapshot import SnapshotDigest, digest_of
from shared.stock import CONFLICT, MISFIT, LabelStock, Picture, Stock, pictures_of, take_stock, used
from shared.storage import BlobContainer
from shared.storage.documents import read_document, try_write_document

MOST_FINDINGS: Final = 100


class PathFinding(msgspec.Struct, frozen=True):
    """Something odd about a picture or a side-car, and what to do."""

    path: str
    reason: str


class LabelCount(msgspec.Struct, frozen=True, kw_only=True):
    """Distinct pictures of a label on each side, and how many more are copies of them."""

    label: str
    train: int
    test: int
    copies: int


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome.

    Attributes:
        etag: The state of the COCO file that was looked at.
        kind: The dataset's kind.
        pinned: How many pictures were pinned to the test side.
        labels: Distinct pictures by label, sorted.
        ready: The labels that a snapshot would hold.
        snapshot: The snapshot they would make.
        findings: The first oddities, by path.
        finding_count: How many there are.
        schema: Version of this record.
    """

    etag: str
    kind: Kind
    pinned: int
    labels: tuple[LabelCount, ...]
    ready: tuple[str, ...]
    snapshot: SnapshotDigest
    findings: tuple[PathFinding, ...]
    finding_count: int
    schema: int = 1


def take_survey(
    records: Callable[[], Iterator[Records]],
    categories: Sequence[Category],
    *,
    etag: str,
    kind: Kind,
    pinned_test: frozenset[str],
    ready_of: Callable[[dict[str, LabelStock]], tuple[str, ...]],
) -> tuple[Survey, Stock]:
    """Look at all pictures.

    Args:
        records: Reads all records of one state of the file, in the order of their paths, at each call.
        categories: That state's categories.
        etag: That state.
        kind: The dataset's kind.
        pinned_test: sha256 of pictures pinned to the test side.
        ready_of: Chooses the labels that a snapshot would hold.
    """
    stock = take_stock(pictures_of(records(), categories), kind, pinned_test=pinned_test)
    ready = ready_of(stock.labels)
    findings = _Findings(stock)
    pictures = findings.watch(pictures_of(findings.watch_claims(records()), categories))
    snapshot = digest_of(used(pictures, stock, frozenset(ready)), pinned_test)
    survey = Survey(
        etag=etag,
        kind=kind,
        pinned=len(pinned_test),
        labels=tuple(
            LabelCount(label=label, train=of.train, test=of.test, copies=of.copies)
            for label, of in stock.labels.items()
        ),
        ready=ready,
        snapshot=snapshot,
        findings=findings.listed(),
        finding_count=findings.total,
    )
    return survey, stock


class _Findings:
    """Collects oddities of pictures that pass by."""

    def __init__(self, stock: Stock) -> None:
        self.count = 0
        self._stock = stock
        self._found: list[PathFinding] = []
        self._wanted: dict[int, tuple[str, tuple[str, ...]]] = {
            number: ("", ()) for pair in stock.conflicts.items() for number in pair
        }
        self._conflicts: list[int] = []
        self._missing: dict[str, tuple[str, int]] = {}  # imported file → first and number of pictures it names in vain

    def watch_claims(self, runs: Iterable[Records]) -> Iterator[Records]:
        for records in runs:
            for claim in records.claims:
                if claim.note and claim.source:
                    first, count = self._missing.get(claim.source, (claim.path, 0))
                    self._missing[claim.source] = (first, count + 1)
                elif claim.note:
                    self._add(claim.path, claim.note)
            yield records

    def watch(self, pictures: Iterable[Picture]) -> Iterator[Picture]:
        for number, picture in enumerate(pictures):
            state = self._stock.states[number]
            if number in self._wanted:
                self._wanted[number] = (picture.image.file_name, picture.labels)
            if state == CONFLICT:
                self._conflict(number)
            elif state == MISFIT and (picture.image.labelled_by or not picture.image.note):
                self._add(picture.image.file_name, misfit(self._stock.kind, picture.image, picture.annotations) or "")
            if picture.image.note:
                self._add(picture.image.file_name, picture.image.note)
            yield picture

    def _add(self, path: str, reason: str) -> None:
        self.count += 1
        if len(self._found) < MOST_FINDINGS:
            self._found.append(PathFinding(path, reason))

    def _conflict(self, number: int) -> None:
        self.count += 1
        if number in self._stock.conflicts:
            self._conflicts.append(number)

    @property
    def total(self) -> int:
        return self.count + len(self._missing)

    def listed(self) -> tuple[PathFinding, ...]:
        found = list(self._found)
        for source, (first, count) in self._missing.items():
            more = f" and {count - 1} more" if count > 1 else ""
            reason = f"names pictures that are not there: '{first}'{more}. Upload them, or correct the file."
            found.append(PathFinding(source, reason))
        for number in self._conflicts:
            path, own = self._wanted[number]
            other, labels = self._wanted[self._stock.conflicts[number]]
            differs = f"which is labelled {', '.join(labels)}" if labels else "which has no label"
            what = "which has other boxes" if labels == own else differs
            found.append(
                PathFinding(
                    path,
                    f"has the same bytes as '{other}', {what}. All copies stay out of training until one is left.",
                )
            )
        return tuple(sorted(found, key=lambda finding: (finding.path, finding.reason))[:MOST_FINDINGS])


class Surveys:
    """The newest survey of each dataset, kept in the registry container."""

    def __init__(self, container: BlobContainer) -> None:
        self._container = container

    def read(self, dataset: str) -> Survey | None:
        """Return the newest survey, or None."""
        found = read_document(self._container, _path(dataset), Survey)
        return found[0] if found else None

    def keep(self, dataset: str, survey: Survey) -> None:
        """Keep a survey; one that somebody else keeps at the same time is as good."""
        found = read_document(self._container, _path(dataset), Survey)
        if found is None or found[0] != survey:
            try_write_document(self._container, _path(dataset), survey, over=found[1] if found else None)


def _path(dataset: str) -> str:
    return f"{dataset}/survey.json"
