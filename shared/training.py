"""Starts trainings: asks the policy, freezes a snapshot, registers a version (design §3 hops 5 to 7).

Every step may run twice: snapshots are write-once, a version has one name, and a token lets one version through.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from shared import layout, telemetry
from shared.assessment import Assessment, Assessor
from shared.errors import BlobChangedError
from shared.livefile import LiveFile
from shared.pins import PinnedPictures
from shared.policy import Decision
from shared.progress import Progress
from shared.registry import LAST_STATES, Registry, Version
from shared.rounds import for_each
from shared.sides import PIN_FROM
from shared.snapshot import pins_needed, snapshot_parts
from shared.snapshotfiles import SnapshotFiles
from shared.stock import Picture, pictures_of, used
from shared.storage import BlobContainer
from shared.survey import Survey

QUEUE_ALLOWANCE: Final = timedelta(hours=1)  # beyond the budget, for waiting in the engine's queue


class Training:
    """Starts the trainings of all datasets."""

    def __init__(
        self,
        *,
        training: BlobContainer,
        registry: BlobContainer,
        assessor: Assessor,
        progress: Progress,
        budget_hours: int,
    ) -> None:
        self._training = training
        self._registry = Registry(registry)
        self._pins = PinnedPictures(registry)
        self._assessor = assessor
        self._progress = progress
        self._budget_hours = budget_hours

    def start(self, *, now: datetime) -> dict[str, Decision]:
        """Ask the policy about every dataset and start the trainings it wants."""

        def consider(dataset: str) -> Decision:
            assessment = self._assessor.assess(dataset, now=now, thorough=True)
            if assessment.decision.go and self._pin(assessment):
                assessment = self._assessor.assess(dataset, now=now, thorough=True)
            if assessment.decision.go and assessment.live is not None and assessment.survey is not None:
                self._start(assessment, assessment.live, assessment.survey, now=now)
            return assessment.decision

        return for_each(self._registry.datasets(), consider)

    def _start(self, assessment: Assessment, live: LiveFile, survey: Survey, *, now: datetime) -> None:
        trace = live.head.info.traceparent
        attributes: dict[str, telemetry.Attribute] = {telemetry.DATASET: assessment.dataset}
        with telemetry.span("train", parent=trace, attributes=attributes) as span:
            self._freeze(assessment, live, survey)
            version = self._register(assessment, live, survey, now=now)
            span.set_attribute(telemetry.VERSION, version.name)
            if self._registry.acquire(assessment.dataset, version.name, now=now):
                self._progress.advance(assessment.dataset, version.name, now=now)

    def _pin(self, assessment: Assessment) -> bool:
        """Move a picture to the test side for each label that has enough pictures and none there; tell if any was."""
        survey, live, labels = assessment.survey, assessment.live, assessment.labels
        if survey is None or live is None:
            return False
        bare = {label for label in survey.ready if labels[label].test == 0 and labels[label].train >= PIN_FROM}
        if not bare:
            return False
        files = SnapshotFiles(self._training, assessment.dataset)
        earlier = [version.digest for version in assessment.versions]
        pins = pins_needed(
            self._pictures(assessment, live, survey.ready),
            bare,
            assessment.pinned,
            lambda digests: files.holds(earlier, "train", digests),
        )
        if pins:
            self._pins.pin(assessment.dataset, pins)
        return bool(pins)

    def _freeze(self, assessment: Assessment, live: LiveFile, survey: Survey) -> None:
        """Write both sides of the snapshot once; the second time is a no-op."""
        files = SnapshotFiles(self._training, assessment.dataset)
        if not files.exists(survey.snapshot.digest):
            pictures = self._pictures(assessment, live, survey.ready)
            parts = snapshot_parts(pictures, survey.ready, assessment.pinned, url_of=self._training.url)
            files.write(survey.snapshot.digest, survey.ready, parts)

    def _pictures(self, assessment: Assessment, live: LiveFile, labels: Collection[str]) -> Iterator[Picture]:
        """Go over the pictures that a snapshot of some labels holds."""
        stock = assessment.stock or self._assessor.survey(assessment)[1]
        return used(pictures_of(live.records(), live.head.categories), stock, labels)

    def _register(self, assessment: Assessment, live: LiveFile, survey: Survey, *, now: datetime) -> Version:
        """Write the version down before the engine hears of it; a crashed start's record is used again."""
        snapshot = survey.snapshot
        earlier = [version for version in assessment.versions if version.digest == snapshot.digest]
        ended = [version for version in earlier if version.state in LAST_STATES]
        attempt = max((version.attempt for version in ended), default=0) + 1
        version = Version(
            name=layout.version_name(assessment.dataset, snapshot.digest, attempt),
            dataset=assessment.dataset,
            digest=snapshot.digest,
            attempt=attempt,
            created_at=now,
            updated_at=now,
            deadline=now + timedelta(hours=self._budget_hours) + QUEUE_ALLOWANCE,
            kind=survey.kind,
            labels=survey.ready,
            train_pictures=snapshot.train_pictures,
            test_pictures=snapshot.test_pictures,
            changes=live.head.info.changes,
            traceparent=telemetry.current_traceparent(),
        )
        if not self._registry.create(version):
            found = self._registry.version(version.dataset, version.name)
            if found is not None and found[0].state == "registered":
                with suppress(BlobChangedError):  # somebody else takes it up
                    self._registry.save(version, found[1])
        return version
