"""Says where every dataset stands, in the JSON shape of design §4."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from shared.assessment import Assessment, Assessor
from shared.errors import BrokenFileError
from shared.misplaced import MisplacedBlobs
from shared.registry import Registry, Version
from shared.storage import BlobContainer

MOST_PROBLEMS: Final = 100
MOST_VERSIONS: Final = 20


class Status:
    """The status of all datasets."""

    def __init__(self, *, registry: BlobContainer, assessor: Assessor) -> None:
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
            return _dataset(self._assessor.assess(name, now=now), now=now)
        except BrokenFileError as error:
            decision = {"go": False, "reasons": [str(error)], "at": _time(now)}
            unknown = {"kind": "classification", "pictures": 0, "labels": [], "problems": [], "problemCount": 0}
            return {"name": name, **unknown, "decision": decision, "training": None, "champion": None, "versions": []}


def _dataset(assessment: Assessment, *, now: datetime) -> Mapping[str, Any]:
    live = assessment.live
    problems = [(problem.path, problem.reason) for problem in live.problems] if live else []
    problems += [(finding.path, finding.reason) for finding in assessment.stock.findings]
    running = next((v for v in assessment.versions if v.name == assessment.in_flight.version), None)
    champion = assessment.champion
    # One that was registered and never got the token was overtaken before it began.
    shown = [v for v in assessment.versions if v.state != "registered" or v is running]
    return {
        "name": assessment.dataset,
        "kind": "classification",
        "pictures": len(live.pictures) if live else 0,
        "labels": [
            {
                "label": label,
                "train": sides.train,
                "test": sides.test,
                "needed": max(0, assessment.rules.min_pictures_per_label - sides.train - sides.test),
            }
            for label, sides in assessment.stock.labels.items()
        ],
        "problems": [{"path": path, "reason": reason} for path, reason in sorted(problems)[:MOST_PROBLEMS]],
        "problemCount": len(problems),
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
