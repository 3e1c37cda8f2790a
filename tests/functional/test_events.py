"""`ModelPromoted` on the wire: the real azure-eventgrid client against a loopback topic."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from shared.errors import AnnouncementError
from shared.events import EventGridAnnouncer
from shared.promotions import Promotion

PROMOTION = Promotion(
    seq=2,
    version="parts.0123456789ab.1",
    previous="parts.ba9876543210.1",
    digest="0123456789ab",
    reason="not worse",
    who="gate",
    at=datetime(2026, 1, 5, 10, tzinfo=UTC),
    metric="accuracy",
    value=0.9,
)


class Topic(HTTPServer):
    """Keeps what was posted, and answers with `status`."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), TopicRequest)
        self.posted: list[tuple[dict[str, str], Any]] = []


class TopicRequest(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        topic = self.server
        assert isinstance(topic, Topic)
        topic.posted.append(({k.lower(): v for k, v in self.headers.items()}, json.loads(body)))
        self.send_response(topic.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        """Stay quiet."""


@pytest.fixture
def topic() -> Iterator[Topic]:
    with Topic() as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def announce(topic: Topic) -> None:
    url = f"http://127.0.0.1:{topic.server_port}/api/events"
    EventGridAnnouncer(url, "topic-key").promoted("parts", PROMOTION)


def test_a_promotion_is_one_cloud_event_with_the_topics_key(topic: Topic) -> None:
    announce(topic)
    ((headers, body),) = topic.posted
    assert headers["aeg-sas-key"] == "topic-key"
    assert headers["content-type"].startswith("application/cloudevents-batch+json")
    (event,) = body
    assert event == {
        "specversion": "1.0",
        "type": "Darkroom.ModelPromoted",
        "source": "/darkroom/datasets/parts",
        "subject": "parts.0123456789ab.1",
        "id": "parts/2",
        "time": event["time"],
        "data": {
            "dataset": "parts",
            "version": "parts.0123456789ab.1",
            "previous": "parts.ba9876543210.1",
            "snapshot": "0123456789ab",
            "reason": "not worse",
            "metric": "accuracy",
            "value": 0.9,
        },
    }
    assert event["time"].startswith("2026-01-05T10:00:00")


def test_a_repeated_announcement_has_the_same_id(topic: Topic) -> None:
    announce(topic)
    announce(topic)
    assert len({body[0]["id"] for _, body in topic.posted}) == 1


def test_a_topic_that_refuses_is_told(topic: Topic) -> None:
    topic.status = 401
    with pytest.raises(AnnouncementError, match="did not take the event"):
        announce(topic)
