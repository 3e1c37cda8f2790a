"""Starts trainings: asks the policy, freezes a snapshot, registers a version (design §3 hops 5 to 7).

Every step may run twice: snapshots are write-once, a version has one name, and a token lets one version through.
"""

import logging
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from shared import layout, telemetry
from shared.assessment import Assessment, Assessor
from shared.cocofile import CocoFile
from shared.errors import BlobChangedError
from shared.policy import Decision
from shared.progress import Progress
from shared.registry import LAST_STATES, Registry, Version
from shared.rounds import for_each
from shared.snapshot import Side, Snapshot, digests_in, make_snapshot, pins_needed, side_of, take_stock
from shared.storage import BlobContainer

QUEUE_ALLOWANCE: Final = timedelta(hours=1)  # beyond the budget, for waiting in the engine's queue

_log = logging.getLogger("darkroom.training")


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
        self._assessor = assessor
        self._progress = progress
        self._budget_hours = budget_hours

    def start(self, *, now: datetime) -> dict[str, Decision]:
        """Ask the policy about every dataset and start the trainings it wants."""

        def consider(dataset: str) -> Decision:
            assessment = self._assessor.assess(dataset, now=now)
            if assessment.decision.go:
                self._start(assessment, now=now)
            return assessment.decision

        return for_each(self._registry.datasets(), consider)

    def _start(self, assessment: Assessment, *, now: datetime) -> None:
        live = assessment.live
        trace = live.traceparent if live else ""
        attributes: dict[str, telemetry.Attribute] = {telemetry.DATASET: assessment.dataset}
        with telemetry.span("train", parent=trace, attributes=attributes) as span:
            snapshot = self._snapshot(assessment)
            version = self._register(assessment, snapshot, now=now)
            span.set_attribute(telemetry.VERSION, version.name)
            if self._registry.acquire(assessment.dataset, version.name, now=now):
                self._progress.advance(assessment.dataset, version.name, now=now)

    def _snapshot(self, assessment: Assessment) -> Snapshot:
        """Pin test pictures where they lack, and write both sides once; the second write is a no-op."""
        dataset, labels = assessment.dataset, assessment.decision.labels
        live, stock = assessment.live, assessment.stock
        pinned = live.pinned_test if live else frozenset()
        pins = self._lost_pins(assessment) or pins_needed(
            stock, labels, pinned, lambda: self._in_snapshots(assessment.versions, "train")
        )
        if live is not None and pins:
            CocoFile(self._training, dataset).pin_to_test(pins)
            pinned |= set(pins)
            stock = take_stock(live.pictures, pinned)
        snapshot = make_snapshot(stock, labels, pinned, url_of=self._training.url)
        for side, data in (("train", snapshot.train), ("test", snapshot.test)):
            try:
                self._training.write(layout.snapshot_file(dataset, snapshot.digest, side), data, create_only=True)
            except BlobChangedError:
                _log.info("snapshot %s of '%s' was written before", snapshot.digest, dataset)
        return snapshot

    def _lost_pins(self, assessment: Assessment) -> set[str]:
        """Find, when the live file was deleted and built anew, what earlier snapshots had on the test side by a pin."""
        live, versions = assessment.live, assessment.versions
        if live is None or live.pinned_test or not versions or live.changes >= versions[-1].changes:
            return set()
        return {d for d in self._in_snapshots(versions, "test") if side_of(d, ()) == "train"}

    def _in_snapshots(self, versions: Collection[Version], side: Side) -> set[str]:
        files = {layout.snapshot_file(version.dataset, version.digest, side) for version in versions}
        return {digest for file in files for digest in digests_in(self._training.read(file).data)}

    def _register(self, assessment: Assessment, snapshot: Snapshot, *, now: datetime) -> Version:
        """Write the version down before the engine hears of it; a crashed start's record is used again."""
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
            labels=snapshot.labels,
            train_pictures=snapshot.train_pictures,
            test_pictures=snapshot.test_pictures,
            changes=assessment.live.changes if assessment.live else 0,
            traceparent=telemetry.current_traceparent(),
        )
        if not self._registry.create(version):
            found = self._registry.version(version.dataset, version.name)
            if found is not None and found[0].state == "registered":
                with suppress(BlobChangedError):  # somebody else takes it up
                    self._registry.save(version, found[1])
        return version
