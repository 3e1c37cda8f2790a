"""Where a dataset stands: its pictures, its versions, and what the policy says. Read by training and by status."""

from dataclasses import dataclass
from datetime import datetime

from shared.cocofile import CocoFile, LiveDataset
from shared.dataset_config import read_config
from shared.errors import InvalidRequestError
from shared.policy import Decision, LastTraining, Rules, Situation, decide, ready_labels
from shared.promotions import Promotion, PromotionLog
from shared.registry import FAILED_STATES, LAST_STATES, Registry, Token, Version
from shared.snapshot import Stock, snapshot_digest, take_stock
from shared.storage import BlobContainer


@dataclass(frozen=True, slots=True)
class Assessment:
    """All that is known of a dataset at one time.

    Attributes:
        dataset: Its name.
        live: Its pictures, or None before the first fold.
        stock: What of them can be trained on.
        versions: Its versions, oldest first.
        in_flight: The single-flight token.
        champion: The newest promotion, or None.
        rules: The thresholds that hold for it.
        decision: What the policy says.
    """

    dataset: str
    live: LiveDataset | None
    stock: Stock
    versions: tuple[Version, ...]
    in_flight: Token
    champion: Promotion | None
    rules: Rules
    decision: Decision


class Assessor:
    """Assesses datasets."""

    def __init__(self, *, training: BlobContainer, registry: BlobContainer, rules: Rules) -> None:
        self._training = training
        self._registry = Registry(registry)
        self._promotions = PromotionLog(registry)
        self._rules = rules

    def assess(self, dataset: str, *, now: datetime) -> Assessment:
        """Read a dataset's state and ask the policy."""
        live = CocoFile(self._training, dataset).read()
        stock = take_stock(live.pictures, live.pinned_test) if live else take_stock((), ())
        versions = tuple(self._registry.versions(dataset))
        token = self._registry.in_flight(dataset)
        champion = self._promotions.champion(dataset)
        rules = self._rules
        try:
            rules = read_config(self._training, dataset).rules(self._rules)
        except InvalidRequestError as error:
            decision = Decision(False, (str(error),), ())
        else:
            decision = self._decide(rules, live, stock, versions, token, champion, now)
        return Assessment(dataset, live, stock, versions, token, champion, rules, decision)

    @staticmethod
    def _decide(
        rules: Rules,
        live: LiveDataset | None,
        stock: Stock,
        versions: tuple[Version, ...],
        token: Token,
        champion: Promotion | None,
        now: datetime,
    ) -> Decision:
        if live is None:
            return Decision(False, ("no picture was seen yet",), ())
        last = _last_training(versions)
        digest = snapshot_digest(stock, ready_labels(rules, stock.labels), live.pinned_test)
        situation = Situation(
            labels=stock.labels,
            changes=live.changes,
            last_change_at=live.last_modified,
            same_snapshot=last is not None and last.digest == digest,
            in_flight=token.version,
            last=last,
            has_champion=champion is not None,
        )
        return decide(rules, situation, now=now)


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
