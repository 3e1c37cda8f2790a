"""Tells the outside world of promotions: CloudEvents through Event Grid."""

from typing import Final, Protocol

from shared.errors import AnnouncementError
from shared.promotions import Promotion

MODEL_PROMOTED: Final = "Darkroom.ModelPromoted"


class Announcer(Protocol):
    """Whoever is told of promotions."""

    def promoted(self, dataset: str, promotion: Promotion) -> None:
        """Tell of a promotion.

        Raises:
            AnnouncementError: It could not be told.
        """


class NoAnnouncer:
    """Tells nobody: no topic is configured."""

    def promoted(self, dataset: str, promotion: Promotion) -> None:
        """Do nothing."""


class EventGridAnnouncer:
    """Publishes to an Event Grid topic."""

    def __init__(self, endpoint: str, key: str | None) -> None:
        """Take the topic's endpoint and its key; None means managed identity."""
        self._endpoint = endpoint
        self._key = key

    def promoted(self, dataset: str, promotion: Promotion) -> None:
        """Publish ``Darkroom.ModelPromoted``. Its id is the promotion's, so receivers can drop a repetition."""
        from azure.core.credentials import AzureKeyCredential
        from azure.core.exceptions import AzureError
        from azure.core.messaging import CloudEvent
        from azure.eventgrid import EventGridPublisherClient
        from azure.identity import DefaultAzureCredential

        event = CloudEvent(
            source=f"/darkroom/datasets/{dataset}",
            type=MODEL_PROMOTED,
            subject=promotion.version,
            id=f"{dataset}/{promotion.seq}",
            time=promotion.at,
            data={
                "dataset": dataset,
                "version": promotion.version,
                "previous": promotion.previous,
                "snapshot": promotion.digest,
                "reason": promotion.reason,
                "metric": promotion.metric,
                "value": promotion.value,
            },
        )
        credential = AzureKeyCredential(self._key) if self._key else DefaultAzureCredential()
        try:
            with EventGridPublisherClient(self._endpoint, credential, retry_total=2) as client:
                client.send(event)
        except (AzureError, ValueError) as error:
            raise AnnouncementError(f"Event Grid topic {self._endpoint} did not take the event: {error}") from error
