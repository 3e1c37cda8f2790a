"""Says where every dataset stands, in the JSON shape of design §4."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from shared.assessment import Assessment, Assessor
from shared.blocks import tallies_of
from shared.errors import BlobChangedError, BrokenFileError
from shared.imports import ImportedFile, Imports
from shared.misplaced import MisplacedBlobs
from shared.policy import Rules
from shared.quality import advice, spread_of
from shared.reconcile import Pass, Reconciliation
from shared.registry import Registry, Version
from shared.stock import LabelStock
from shared.storage import BlobContainer
from shared.tallies import Tally, Totals

MOST_PROBLEMS: Final = 100
MOST_VERSIONS: Final = 20


class Status:
    """The status of all datasets."""

    def __init__(
        self,
        *,
        registry: BlobContainer,
        assessor: Assessor,
        imports: Imports,
        reconciliation: Reconciliation,
    ) -> None:
        self._imports = imports
        self._reconciliation = reconciliation
        self._registry = Registry(registry)
        self._misplaced = MisplacedBlobs(registry)
        self._assessor = assessor

    def report(self, *, now: datetime) -> dict[str, Any]:
        """Return the status as JSON values; `problems` beside the datasets are blobs that no dataset can own."""
        return {
            "datasets": [self._dataset(name, now=now) for name in self._registry.datasets()],
            "problems": [{"path": path, "reason": reason} for path, (_, reason) in self._misplaced.all().items()],
        }

    def _dataset(self, name: str, *, now: datetime) -> Mapping[str, Any]:
        try:
            assessment = self._assessor.assess(name, now=now)
            return self._report(assessment, now=now)
        except (BrokenFileError, BlobChangedError) as error:
            decision = {"go": False, "reasons": [str(error)], "at": _time(now)}
            unknown: dict[str, Any] = {"kind": None, "pictures": 0, "labels": [], "problems": [], "problemCount": 0}
            unknown |= {"surveyed": False, "imports": [], "reconcile": None}
            return {"name": name, **unknown, "decision": decision, "training": None, "champion": None, "versions": []}

    def _report(self, assessment: Assessment, *, now: datetime) -> Mapping[str, Any]:
        name = assessment.dataset
        report = _dataset(assessment, self._problems(assessment), now=now)
        imports, last = self._imports.of(name), self._reconciliation.last(name)
        report["problemCount"] += sum(file.finding_count for file in imports.values())
        report["imports"] = [_imported(path, file) for path, file in sorted(imports.items())]
        report["reconcile"] = last and _pass(last)
        return report

    def _problems(self, assessment: Assessment) -> list[tuple[str, str]]:
        """Return the first problems, by path: blobs that cannot be used, and what a survey found."""
        found = []
        if assessment.live is not None:
            problems = assessment.live.problems(MOST_PROBLEMS)
            found = [(problem.path, problem.reason) for problem in problems]
        if assessment.trouble is not None:
            found.append(assessment.trouble)
        if assessment.survey is not None:
            found += [(finding.path, finding.reason) for finding in assessment.survey.findings]
        for path, file in self._imports.of(assessment.dataset).items():
            found += [(path, finding) for finding in file.findings]
        return sorted(found)[:MOST_PROBLEMS]


def _dataset(assessment: Assessment, problems: list[tuple[str, str]], *, now: datetime) -> dict[str, Any]:
    totals = assessment.live.head.info.totals if assessment.live else Totals()
    tallies = tallies_of(assessment.live.head) if assessment.live else {}
    odd = assessment.survey.finding_count if assessment.survey else totals.notes + totals.orphans
    running = next((v for v in assessment.versions if v.name == assessment.in_flight.version), None)
    champion = assessment.champion
    # One that was registered and never got the token was overtaken before it began.
    shown = [v for v in assessment.versions if v.state != "registered" or v is running]
    return {
        "name": assessment.dataset,
        "kind": assessment.kind,
        "pictures": totals.pictures,
        "labels": [
            _label(label, stock, tallies.get(label), assessment.rules) for label, stock in assessment.labels.items()
        ],
        "surveyed": assessment.survey is not None,
        "problems": [{"path": path, "reason": reason} for path, reason in problems],
        "problemCount": totals.problems + odd + (assessment.trouble is not None),
        "decision": {"go": assessment.decision.go, "reasons": list(assessment.decision.reasons), "at": _time(now)},
        "training": running and {"version": running.name, "state": running.state, "since": _time(running.updated_at)},
        "champion": champion
        and {
            "version": champion.version,
            "snapshot": champion.digest,
            "metric": champion.metric,
            "value": champion.value,
            "since": _time(champion.at),
            "reason": champion.reason,
        },
        "versions": [_version(version) for version in shown[-MOST_VERSIONS:]],
    }


def _label(label: str, stock: LabelStock, tally: Tally | None, rules: Rules) -> Mapping[str, Any]:
    spread = spread_of(tally) if tally else None
    return {
        "label": label,
        "train": stock.train,
        "test": stock.test,
        "copies": stock.copies,
        "needed": max(0, rules.min_pictures_per_label - stock.train - stock.test),
        "spread": spread and {name: round(value, 3) for name, value in msgspec.structs.asdict(spread).items()},
        "advice": list(advice(label, tally, stock)) if tally else [],
    }


def _imported(path: str, file: ImportedFile) -> Mapping[str, Any]:
    counts = {"applied": file.position, "pictures": file.pictures, "missing": file.missing}
    state = "rejected" if file.state == "applied" and file.finding_count and not file.pictures else file.state
    return {"path": path, "state": state, **counts, "findings": file.finding_count}


def _pass(last: Pass) -> Mapping[str, Any]:
    return {
        "since": _time(last.started_at),
        "done": last.done,
        "compared": last.compared,
        "missing": last.missing,
        "changed": last.changed,
        "vanished": last.vanished,
        "upTo": "" if last.done else last.after,
    }


def _version(version: Version) -> Mapping[str, Any]:
    return {
        "version": version.name,
        "snapshot": version.digest,
        "state": version.state,
        "reason": version.reason,
        "metric": version.metric,
        "value": version.value,
        "labels": list(version.labels),
        "trainPictures": version.train_pictures,
        "testPictures": version.test_pictures,
        "createdAt": _time(version.created_at),
        "updatedAt": _time(version.updated_at),
    }


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
