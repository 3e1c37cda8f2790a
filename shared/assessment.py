"""Where a dataset stands: its pictures, its versions, and what the policy says. Read by training and by status."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from shared import layout
from shared.blocks import tallies_of
from shared.cocofile import CocoFile
from shared.dataset_config import DatasetConfig, read_config
from shared.errors import BlobChangedError, BrokenFileError, InvalidRequestError
from shared.kinds import Kind, infer_kind, likeliest_kind, why_unclear
from shared.livefile import LiveFile
from shared.pins import PinnedPictures
from shared.policy import Decision, LastTraining, Rules, Situation, decide, ready_labels
from shared.promotions import Promotion, PromotionLog
from shared.registry import FAILED_STATES, LAST_STATES, Registry, Token, Version
from shared.stock import LabelStock, Stock
from shared.storage import BlobContainer
from shared.survey import Survey, Surveys, take_survey
from shared.tallies import Totals

SMALL: Final = 8 * 2**20  # bytes; so small a COCO file is surveyed whenever somebody asks


@dataclass(frozen=True, slots=True)
class Assessment:
    """All that is known of a dataset at one time.

    Attributes:
        dataset: Its name.
        live: Its COCO file, or None before the first fold.
        kind: What it teaches, or None while that is not clear.
        pinned: sha256 of the pictures pinned to the test side.
        labels: Pictures by label: distinct ones when `survey` is there, else all.
        survey: The full look at this state of the file, or None when there was none.
        stock: What can be trained on, when the survey was taken just now.
        versions: Its versions, oldest first.
        in_flight: The single-flight token.
        champion: The newest promotion, or None.
        rules: The thresholds that hold for it.
        decision: What the policy says.
        trouble: Path and reason of a file of the dataset that cannot be read: its configuration or its COCO file.
    """

    dataset: str
    live: LiveFile | None
    kind: Kind | None
    pinned: frozenset[str]
    labels: Mapping[str, LabelStock]
    survey: Survey | None
    stock: Stock | None
    versions: tuple[Version, ...]
    in_flight: Token
    champion: Promotion | None
    rules: Rules
    decision: Decision
    trouble: tuple[str, str] | None = None


class Assessor:
    """Assesses datasets."""

    def __init__(self, *, training: BlobContainer, registry: BlobContainer, rules: Rules) -> None:
        self._training = training
        self._registry = Registry(registry)
        self._promotions = PromotionLog(registry)
        self._pins = PinnedPictures(registry)
        self._surveys = Surveys(registry)
        self._rules = rules

    def assess(self, dataset: str, *, now: datetime, thorough: bool = False) -> Assessment:
        """Read a dataset's state and ask the policy.

        Args:
            dataset: Its name.
            now: The time.
            thorough: Confirm a go by a survey, however large the file is.

        Raises:
            BrokenFileError: A record of the registry cannot be read; or, when `thorough`, the COCO file.
        """
        config, trouble = self._config(dataset)
        live, broken = self._live(dataset)
        if broken and thorough:
            raise BrokenFileError(broken[1])
        trouble = broken or trouble
        versions = tuple(self._registry.versions(dataset))
        rough = Assessment(
            dataset=dataset,
            live=live,
            kind=_kind(config, live, versions),
            pinned=self._pins.of(dataset),
            labels=_tallied(live),
            survey=None,
            stock=None,
            versions=versions,
            in_flight=self._registry.in_flight(dataset),
            champion=self._promotions.champion(dataset),
            rules=config.rules(self._rules),
            decision=Decision(False, (trouble[1] if trouble else _why_nothing(versions),), ()),
            trouble=trouble,
        )
        if live is None:
            return rough
        assessment = self._known(rough) or (self._surveyed(rough) if live.size <= SMALL else None) or rough
        assessment = _decided(assessment, now)
        if thorough and assessment.survey is None and assessment.decision.go:
            surveyed = self._surveyed(rough)
            if surveyed is None:
                reason = "pictures are still coming in: the COCO file changed while it was read"
                return replace(rough, decision=Decision(False, (reason,), ()))
            assessment = _decided(surveyed, now)
        if assessment.survey is not None and assessment.stock is not None and live.size > SMALL:
            self._surveys.keep(dataset, assessment.survey)
        return assessment

    def survey(self, assessment: Assessment) -> tuple[Survey, Stock]:
        """Take a full look at the state of the file that was assessed.

        Raises:
            BlobChangedError: The file was changed in the meantime.
        """
        live = assessment.live
        if live is None:
            raise ValueError(f"dataset '{assessment.dataset}' has nothing to survey")
        return take_survey(
            live.records,
            live.head.categories,
            etag=live.etag,
            kind=_surveyed_kind(assessment),
            pinned_test=assessment.pinned,
            ready_of=lambda labels: ready_labels(assessment.rules, labels),
        )

    def _config(self, dataset: str) -> tuple[DatasetConfig, tuple[str, str] | None]:
        try:
            return read_config(self._training, dataset), None
        except InvalidRequestError as error:
            return DatasetConfig(), (layout.dataset_config(dataset), str(error))

    def _live(self, dataset: str) -> tuple[LiveFile | None, tuple[str, str] | None]:
        try:
            return CocoFile(self._training, dataset).read(), None
        except BrokenFileError as error:
            return None, (layout.live_file(dataset), str(error))

    def _known(self, rough: Assessment) -> Assessment | None:
        """Use the kept survey, if it is of this state of the file and was made by the same rules."""
        survey = self._surveys.read(rough.dataset)
        if survey is None or rough.live is None or survey.etag != rough.live.etag:
            return None
        labels = _counted(survey)
        same = (survey.kind, survey.pinned) == (_surveyed_kind(rough), len(rough.pinned))
        if not same or survey.ready != ready_labels(rough.rules, labels):
            return None
        return replace(rough, survey=survey, labels=labels)

    def _surveyed(self, rough: Assessment) -> Assessment | None:
        try:
            survey, stock = self.survey(rough)
        except BlobChangedError:
            return None
        return replace(rough, survey=survey, stock=stock, labels=_counted(survey))


def _decided(assessment: Assessment, now: datetime) -> Assessment:
    live, survey = assessment.live, assessment.survey
    if live is None or assessment.trouble is not None:
        return assessment
    last = _last_training(assessment.versions)
    info = live.head.info
    if last is None:
        same_snapshot = False
    elif survey is not None:
        same_snapshot = last.digest == survey.snapshot.digest
    else:
        same_snapshot = last.changes == info.changes
    situation = Situation(
        kind=assessment.kind,
        unclear=why_unclear(info.totals),
        labels=assessment.labels,
        changes=info.changes,
        last_change_at=live.last_modified,
        same_snapshot=same_snapshot,
        in_flight=assessment.in_flight.version,
        last=last,
        has_champion=assessment.champion is not None,
    )
    return replace(assessment, decision=decide(assessment.rules, situation, now=now))


def _surveyed_kind(assessment: Assessment) -> Kind:
    """Return the kind by which pictures are judged, be it clear or not."""
    totals = assessment.live.head.info.totals if assessment.live else Totals()
    return assessment.kind or likeliest_kind(totals)


def _why_nothing(versions: tuple[Version, ...]) -> str:
    if versions:
        return "its COCO file is gone; `reconcile` builds it anew, within the hour"
    return "no picture was seen yet"


def _kind(config: DatasetConfig, live: LiveFile | None, versions: tuple[Version, ...]) -> Kind | None:
    if config.kind is not None:
        return config.kind
    if versions:
        return versions[-1].kind
    return infer_kind(live.head.info.totals) if live else None


def _tallied(live: LiveFile | None) -> dict[str, LabelStock]:
    """Return the counts that the head keeps: copies and conflicting pictures are in them."""
    if live is None:
        return {}
    return {label: LabelStock(tally.train, tally.test) for label, tally in tallies_of(live.head).items()}


def _counted(survey: Survey) -> dict[str, LabelStock]:
    return {of.label: LabelStock(of.train, of.test, of.copies) for of in survey.labels}


def _last_training(versions: tuple[Version, ...]) -> LastTraining | None:
    ended = [version for version in versions if version.state in LAST_STATES]
    if not ended:
        return None
    last = ended[-1]
    failed = [version for version in ended if version.digest == last.digest and version.state in FAILED_STATES]
    return LastTraining(
        version=last.name,
        digest=last.digest,
        changes=last.changes,
        ended_at=last.updated_at,
        failed=last.state in FAILED_STATES,
        attempts=len(failed),
        reason=last.reason,
    )
