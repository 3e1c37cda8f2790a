"""How the demo asks the engine what would help most."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from devhost.demo_access import Access
from devhost.demo_report import Answer, tag_answer

STORAGE = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:1/a"
REPORTS = {
    "advised.0123456789ab.1": {"advice": [{"words": "add some dark ones."}, {"words": "and some bright ones."}]},
    "perfect.0123456789ab.1": {"advice": []},
    "older.0123456789ab.1": {},
}


class Engine(BaseHTTPRequestHandler):
    """Answers with REPORTS, if it is asked as the contract wants."""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        name = path.removeprefix("/computervision/models/").removesuffix(":report")
        allowed = "api-version=" in query and self.headers["Ocp-Apim-Subscription-Key"] == "key"
        self.send_response(200 if allowed and name in REPORTS else 404)
        self.end_headers()
        self.wfile.write(json.dumps(REPORTS.get(name, {})).encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Engine) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def access(engine: str) -> Access[Answer]:
    return Access(
        "parts",
        tag_answer,
        endpoint="http://127.0.0.1:1",
        key="",
        function_key="",
        engine=engine,
        engine_key="key",
        storage_connection_string=STORAGE,
    )


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("advised.0123456789ab.1", "add some dark ones."),
        ("perfect.0123456789ab.1", ""),
        ("older.0123456789ab.1", ""),
        ("unknown.0123456789ab.1", ""),
    ],
)
def test_the_first_advice_of_a_versions_report_is_what_is_said(engine: str, version: str, words: str) -> None:
    with access(engine) as product:
        assert product.advice(version) == words


def test_an_engine_that_does_not_answer_has_no_advice() -> None:
    with access("http://127.0.0.1:1") as product:
        assert product.advice("parts.0123456789ab.1") == ""
