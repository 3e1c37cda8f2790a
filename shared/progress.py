"""Brings each version in training to its last state: a persisted state machine (design §3 hops 7 to 11).

    registered → submitted → training → evaluating → promoted | rejected
    any of the first four → failed | timedOut | cancelled

Each transition is one conditional write. A crash before it repeats the step; every call to the engine may be repeated.
"""

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import msgspec

from shared import layout, telemetry
from shared.errors import AnnouncementError, BlobChangedError, VisionError, VisionRefusedError, VisionUnavailableError
from shared.events import Announcer
from shared.gate import METRICS, Contest, Metric, judge
from shared.promotions import Promotion, PromotionLog
from shared.registry import LAST_STATES, Registry, State, Version
from shared.rounds import for_each
from shared.storage import BlobContainer
from shared.vision import VisionClient
from shared.wire import Evaluation, Model, ModelPerformance

LONGEST_PAUSE: Final = timedelta(minutes=5)
ORPHAN_AFTER: Final = timedelta(minutes=10)
MOST_ANNOUNCEMENTS: Final = 10
# The engine's codes (contract §5) that say a champion cannot be asked any more, whatever is tried.
CHAMPION_GONE: Final = frozenset({"modelNotFound", "incorrectModelKind"})
# Refusals that a person can mend while the version waits: wrong key, wrong address.
MENDABLE: Final = frozenset({401, 403, 404, 405})

_log = logging.getLogger("darkroom.progress")


class Progress:
    """Moves the versions of all datasets."""

    def __init__(
        self,
        *,
        training: BlobContainer,
        registry: BlobContainer,
        vision: VisionClient,
        announcer: Announcer,
        budget_hours: int,
    ) -> None:
        self._training = training
        self._registry = Registry(registry)
        self._promotions = PromotionLog(registry)
        self._vision = vision
        self._announcer = announcer
        self._budget_hours = budget_hours

    def poll(self, *, now: datetime) -> dict[str, State]:
        """Take the version in training of every dataset one step further, if there is a step to take."""

        def poll_one(dataset: str) -> State | None:
            token = self._registry.in_flight(dataset)
            if token.version is None:
                return None
            version = self.advance(dataset, token.version, now=now)
            if version is not None:
                return version.state
            if token.since is not None and now > token.since + ORPHAN_AFTER:
                _log.error("'%s' holds the token of '%s' but was never registered; released", token.version, dataset)
                self._registry.release(dataset, token.version)
            return None

        return {d: state for d, state in for_each(self._registry.datasets(), poll_one).items() if state is not None}

    def advance(self, dataset: str, name: str, *, now: datetime) -> Version | None:
        """Take one version, which holds its dataset's token, as far as it gets now; None when it does not exist."""
        found = self._registry.version(dataset, name)
        if found is None:
            return None
        version, etag = found
        try:
            while (after := self._traced_step(version, now=now)) != version:
                etag = self._registry.save(after, etag)
                came_further, version = after.state != version.state, after
                if not came_further:
                    break
        except BlobChangedError:
            _log.info("%s was moved by somebody else in the meantime", name)
            return version
        if version.state in LAST_STATES and (version.state != "promoted" or version.announced):
            self._registry.release(dataset, name)
        return version

    def _traced_step(self, version: Version, *, now: datetime) -> Version:
        attributes: dict[str, telemetry.Attribute] = {
            telemetry.DATASET: version.dataset,
            telemetry.VERSION: version.name,
        }
        with telemetry.span(version.state, parent=version.traceparent, attributes=attributes) as span:
            after = self._stepped(version, now=now)
            span.set_attribute(telemetry.STATE, after.state)
        return after

    def _stepped(self, version: Version, *, now: datetime) -> Version:
        """Return the version after one step; calls that fail are counted and tried again with back-off."""
        if version.next_check_at is not None and now < version.next_check_at:
            return version
        try:
            after = self._step(version, now=now)
        except VisionUnavailableError as error:
            return _postponed(version, str(error), now=now)
        except VisionRefusedError as error:
            if error.status in MENDABLE:
                return _postponed(version, f"the engine refused ({error.status}): {error}", now=now)
            return _moved(version, "failed", f"the engine refused ({error.status}): {error}", now=now)
        if after is version and version.failures:
            return msgspec.structs.replace(after, failures=0, next_check_at=None, reason="")
        return after

    def _step(self, version: Version, *, now: datetime) -> Version:
        if version.state in LAST_STATES:
            return self._announced(version, now=now) if version.state == "promoted" else version
        champion = self._promotions.champion(version.dataset)
        if champion is not None and champion.version == version.name:  # promoted, and then we crashed
            return _moved(version, "promoted", champion.reason, now=now)
        if now > version.deadline:
            return self._timed_out(version, now=now)
        if version.state == "registered":
            return self._submitted(version, now=now)
        if version.state == "evaluating":
            return self._judged(version, champion, now=now)
        model = self._vision.model(version.name)
        if model is None:  # the engine lost it: tell it again
            return self._submitted(version, now=now)
        return _followed(version, model, now=now)

    def _timed_out(self, version: Version, *, now: datetime) -> Version:
        reason = f"not done by {version.deadline:%Y-%m-%d %H:%M} UTC"
        try:
            self._vision.cancel_model(version.name)
        except VisionError as error:  # the version ends all the same; its record says what may still be running
            reason = f"{reason}; it could not be cancelled: {error}"
        return _moved(version, "timedOut", reason, now=now)

    def _submitted(self, version: Version, *, now: datetime) -> Version:
        until = version.deadline + timedelta(hours=1)
        signature = self._training.read_signature(now=now, until=until)
        sides = {"train": version.train_pictures, "test": version.test_pictures}
        for side, pictures in sides.items():
            if pictures:
                url = self._training.url(layout.snapshot_file(version.dataset, version.digest, side))
                name = layout.engine_dataset(version.dataset, version.digest, side)
                self._vision.put_dataset(name, kind=version.kind, annotation_url=url, signature=signature)
        self._vision.put_model(
            version.name,
            kind=version.kind,
            train=layout.engine_dataset(version.dataset, version.digest, "train"),
            test=_test_dataset(version) if version.test_pictures else None,
            budget_hours=self._budget_hours,
        )
        return _moved(version, "submitted", "", now=now)

    # Judging

    def _judged(self, version: Version, champion: Promotion | None, *, now: datetime) -> Version:
        contest = self._contest(version, champion)
        if isinstance(contest, Evaluation):
            if contest.status != "failed":
                return version  # not done yet
            message = contest.error.message if contest.error else "no reason given"
            return _moved(version, "failed", f"the champion could not be evaluated: {message}", now=now)
        verdict = judge(contest)
        compared = msgspec.structs.replace(version, champion=contest.champion, champion_value=contest.champion_value)
        if verdict.promote:
            self._promotions.promote(compared, after=champion, reason=verdict.reason, who="gate", now=now)
        return _moved(compared, "promoted" if verdict.promote else "rejected", verdict.reason, now=now)

    def _contest(self, version: Version, champion: Promotion | None) -> Contest | Evaluation:
        """Measure the champion on the same test pictures; return its evaluation while it is not done, or failed."""
        metric = METRICS[version.kind]
        contest = Contest(
            version.value if version.value is not None else 0.0,
            version.test_pictures,
            champion.version if champion else None,
            metric=metric,
        )
        if champion is None or version.test_pictures == 0:
            return contest
        if self._vision.model(champion.version) is None:
            return replace(contest, champion_gone="the engine no longer has it")
        made = self._registry.version(version.dataset, champion.version)
        if made is not None and made[0].kind != version.kind:
            reason = f"it was made when the dataset's kind was {made[0].kind}, which is {version.kind} now"
            return replace(contest, champion_gone=reason)
        name = f"{version.digest}.{version.attempt}"
        self._vision.put_evaluation(champion.version, name, test=_test_dataset(version))
        evaluation = self._vision.evaluation(champion.version, name)
        if evaluation is None or evaluation.status in ("notStarted", "running"):
            return evaluation or Evaluation(name=name, status="notStarted")
        if evaluation.status == "failed":
            error = evaluation.error
            if error is not None and error.code in CHAMPION_GONE:
                return replace(contest, champion_gone=error.message)
            return evaluation
        return replace(contest, champion_value=_figure(metric, evaluation.model_performance))

    def _announced(self, version: Version, *, now: datetime) -> Version:
        """Tell the world of a promotion; give up after a while, because the promotion itself stands."""
        if version.announced:
            return version
        entry = next((e for e in self._promotions.entries(version.dataset) if e.version == version.name), None)
        try:
            if entry is not None:
                self._announcer.promoted(version.dataset, entry)
        except AnnouncementError as error:
            _log.warning("%s is promoted, but: %s", version.name, error)
            if version.failures < MOST_ANNOUNCEMENTS:
                return _postponed(version, version.reason, now=now)
        return msgspec.structs.replace(version, announced=True, next_check_at=None)


def _followed(version: Version, model: Model, *, now: datetime) -> Version:
    """Return the version after a look at its model."""
    match model.status:
        case "succeeded":
            metric = METRICS[version.kind]
            value = _figure(metric, model.model_performance)
            if value is None:
                return _moved(version, "failed", f"the engine reported no {metric}", now=now)
            name = metric if version.test_pictures else f"crossValidated{metric[0].upper()}{metric[1:]}"
            measured = msgspec.structs.replace(version, metric=name, value=value)
            return _moved(measured, "evaluating", "", now=now)
        case "failed":
            error = model.error
            return _moved(version, "failed", f"{error.code}: {error.message}" if error else "no reason given", now=now)
        case "cancelled":
            return _moved(version, "cancelled", "cancelled at the engine", now=now)
        case "training" if version.state == "submitted":
            return _moved(version, "training", "", now=now)
        case _:
            return version


def _figure(metric: Metric, performance: ModelPerformance | None) -> float | None:
    if performance is None:
        return None
    match metric:
        case "accuracy":
            return performance.accuracy_top1
        case "averagePrecision":
            return performance.average_precision
        case "meanAveragePrecision50":
            return performance.mean_average_precision50


def _moved(version: Version, state: State, reason: str, *, now: datetime) -> Version:
    if state == version.state:
        return version
    return msgspec.structs.replace(
        version,
        failures=0,
        next_check_at=None,
        state=state,
        reason=reason,
        updated_at=now,
        history=(*version.history, (version.state, version.updated_at)),
    )


def _postponed(version: Version, reason: str, *, now: datetime) -> Version:
    """Wait twice as long after every failure in a row."""
    pause = min(LONGEST_PAUSE, timedelta(seconds=2 ** min(version.failures, 10)))
    return msgspec.structs.replace(version, failures=version.failures + 1, next_check_at=now + pause, reason=reason)


def _test_dataset(version: Version) -> str:
    return layout.engine_dataset(version.dataset, version.digest, "test")
