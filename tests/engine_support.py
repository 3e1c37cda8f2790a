"""What tests of the engine need: a small store of pictures over HTTP, COCO files, and engines to talk to."""

import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import numpy as np
import uvicorn
from opentelemetry.sdk.trace import TracerProvider
from PIL import Image
from pydantic import SecretStr

from engine.app import build_app
from engine.settings import Settings
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent
KEY = "first-key"
SECRET = "a secret of more than sixteen characters"
VERSION = "2023-04-01-preview"
COLOURS = {"bolt": (200, 40, 40), "nut": (40, 160, 60), "washer": (50, 60, 200)}


def draw_part(label: str, seed: int, *, size: tuple[int, int] = (80, 64)) -> bytes:
    """A JPEG in its label's colour, with noise of its own."""
    rng = np.random.default_rng((seed, *COLOURS[label]))
    noise = rng.normal(0, 25, (size[1], size[0], 3))
    pixels = np.clip(np.array(COLOURS[label]) + noise, 0, 255).astype(np.uint8)
    return encode(Image.fromarray(pixels), "JPEG")


def encode(image: Image.Image, file_format: str, **options: object) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


@dataclass
class Picture:
    """A labelled picture and how its COCO record names it."""

    label: str
    content: bytes
    facts: dict[str, Any] = field(default_factory=dict)


class PictureStore:
    """Files over HTTP on loopback, with ETags and If-Match, an optional SAS, and refusals on request."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.sas: str | None = None
        self.troubles: dict[str, list[int]] = {}  # path -> statuses to answer before the file
        self.gate = threading.Event()  # while it is not set, paths in `held` are not answered
        self.held: set[str] = set()
        self.requests: list[tuple[str, Mapping[str, str]]] = []  # target with query, headers
        self.gate.set()
        self._server = _StoreServer(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def host(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self._server.server_port}"

    def url(self, path: str) -> str:
        """The URL of a file."""
        return f"http://{self.host}/{path}"

    def put(self, path: str, content: bytes) -> str:
        """Stores a file and returns its URL."""
        self.files[path] = content
        return self.url(path)

    def put_dataset(self, name: str, pictures: Iterable[Picture]) -> str:
        """Stores pictures and a COCO file that names them with sha256 and etag; returns the file's URL."""
        images, annotations, labels = [], [], dict[str, int]()
        for number, picture in enumerate(pictures, 1):
            path = f"{name}/{number}.jpg"
            record = {
                "id": number,
                "width": 80.0,
                "height": 64.0,
                "file_name": path,
                "absolute_url": self.put(path, picture.content),
                "etag": etag_of(picture.content),
                "sha256": sha256(picture.content).hexdigest(),
            }
            images.append({key: value for key, value in (record | picture.facts).items() if value is not None})
            category = labels.setdefault(picture.label, len(labels) + 1)
            annotations.append({"id": number, "image_id": number, "category_id": category})
        categories = [{"id": number, "name": label} for label, number in labels.items()]
        coco = {"images": images, "annotations": annotations, "categories": categories}
        return self.put(f"{name}/coco.json", json.dumps(coco).encode())

    def put_parts(self, name: str, *, each: int = 4, first_seed: int = 0) -> str:
        """Stores a data set of drawn parts; returns the COCO file's URL."""
        pairs = [(label, first_seed + number) for number in range(each) for label in COLOURS]
        return self.put_dataset(name, [Picture(label, draw_part(label, seed)) for label, seed in pairs])

    def paths_asked(self) -> list[str]:
        """The paths of all requests so far."""
        return [urlsplit(target).path.lstrip("/") for target, _ in self.requests]


def etag_of(content: bytes) -> str:
    """The ETag that a PictureStore gives these bytes."""
    return f'"{sha256(content).hexdigest()[:16]}"'


class _StoreServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, store: PictureStore) -> None:
        self.store = store
        super().__init__(("127.0.0.1", 0), _StoreRequest)


class _StoreRequest(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _StoreServer

    def do_GET(self) -> None:
        store = self.server.store
        store.requests.append((self.path, dict(self.headers)))
        target = urlsplit(self.path)
        path = target.path.lstrip("/")
        if path in store.held:
            store.gate.wait(60)
        content = store.files.get(path)
        troubles = store.troubles.get(path)
        if troubles:
            self._answer(troubles.pop(0), b"", {"Location": "/elsewhere"})
        elif store.sas is not None and target.query != store.sas:
            self._answer(403, b"")
        elif content is None:
            self._answer(404, b"")
        elif self.headers.get("If-Match") not in (None, etag_of(content)):
            self._answer(412, b"")
        else:
            self._answer(200, content)

    def _answer(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True  # the reader was killed, on purpose

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Says nothing."""


class Engine:
    """A running engine as a caller sees it."""

    def __init__(
        self, endpoint: str, log: Path | None = None, process: "subprocess.Popen[bytes] | None" = None
    ) -> None:
        self.endpoint = endpoint
        self.process = process
        self._log = log
        self.client = httpx.Client(
            base_url=endpoint,
            headers={"Ocp-Apim-Subscription-Key": KEY},
            timeout=60,
            trust_env=False,
        )

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Calls an operation; the path is below /computervision."""
        arguments["params"] = {"api-version": VERSION} | arguments.get("params", {})
        return self.client.request(method, f"/computervision/{path}", **arguments)

    def register(self, name: str, uri: str, *, sas: str | None = None) -> dict[str, Any]:
        """Registers a classification data set."""
        authentication = {"kind": "sas", "sasToken": sas} if sas else {"kind": "none"}
        body = {"annotationKind": "imageClassification", "annotationFileUris": [uri], "authentication": authentication}
        answer = self.call("PUT", f"datasets/{name}", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def train(self, name: str, dataset: str, *, test: str | None = None, hours: int = 1, **arguments: Any) -> None:
        """Starts a training."""
        body: dict[str, Any] = {
            "trainingParameters": {
                "trainingDatasetName": dataset,
                "timeBudgetInHours": hours,
                "modelKind": "Generic-Classifier",
            }
        }
        if test is not None:
            body["evaluationParameters"] = {"testDatasetName": test}
        answer = self.call("PUT", f"models/{name}", json=body, **arguments)
        assert answer.status_code == 201, answer.text

    def wait(self, path: str, *statuses: str) -> dict[str, Any]:
        """Waits until a model or evaluation has one of the statuses (by default, has ended), and returns it."""
        wanted = statuses or ("succeeded", "failed", "cancelled")

        def ask() -> dict[str, Any] | None:
            body: dict[str, Any] = self.call("GET", path).json()
            return body if body.get("status") in wanted else None

        found = wait_until(ask, f"{path} to be one of {wanted}")
        assert found is not None
        return found

    def trained(self, name: str, dataset: str, **arguments: Any) -> dict[str, Any]:
        """Trains a model and returns it when it has succeeded."""
        self.train(name, dataset, **arguments)
        model = self.wait(f"models/{name}")
        assert model["status"] == "succeeded", model
        return model

    def log(self) -> str:
        """What the engine's process has said so far."""
        return self._log.read_text() if self._log else ""


def check_error(answer: httpx.Response, status: int, code: str) -> str:
    """Checks an error's shape (contract §5) and returns its message."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert error["code"] == code
    assert answer.headers["x-ms-error-code"] == code
    assert set(error) <= {"code", "message", "innererror"}
    assert error["message"]
    return str(error["message"])


def settings_for(data: Path, allowed_hosts: str, **changes: Any) -> Settings:
    """Settings of a test's engine; the environment has no say."""
    values = {"keys": SecretStr(f"{KEY},second-key"), "secret": SecretStr(SECRET), "backbone": None} | changes
    return Settings(data=data, allowed_hosts=allowed_hosts, **values)


@contextmanager
def engine_in_process(
    data: Path,
    allowed_hosts: str,
    *,
    provider: TracerProvider | None = None,
    hour_seconds: float = 3600,
    **changes: Any,
) -> Iterator[Engine]:
    """The ASGI app on a loopback port, in a thread of this process."""
    provider = provider or TracerProvider(shutdown_on_exit=False)
    app = build_app(settings_for(data, allowed_hosts, **changes), provider=provider, hour_seconds=hour_seconds)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # or answers take 40 ms more
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    engine = Engine(f"http://127.0.0.1:{listener.getsockname()[1]}")
    try:
        yield engine
    finally:
        engine.client.close()
        server.should_exit = True
        thread.join()
        listener.close()


@contextmanager
def engine_process(data: Path, allowed_hosts: str, **environment: str) -> Iterator[Engine]:
    """`python -m engine` on a free loopback port; killed at the end if the test has not ended it."""
    log = data.with_suffix(".log")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ENGINE_")}
    ours = {
        "ENGINE_KEYS": f"{KEY},second-key",
        "ENGINE_DATA": str(data),
        "ENGINE_SECRET": SECRET,
        "ENGINE_ALLOWED_HOSTS": allowed_hosts,
    }
    with log.open("ab") as output:
        start = output.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "engine", "--port", "0"],
            cwd=ROOT,
            env=kept | ours | environment,
            stdout=output,
            stderr=output,
        )
    engine: Engine | None = None
    try:

        def listening() -> re.Match[str] | None:
            assert process.poll() is None, log.read_text()
            return re.search(r"listens on (http://\S+)", log.read_text()[start:])

        found = wait_until(listening, "the engine to listen")
        assert found is not None
        engine = Engine(found[1], log, process)
        yield engine
    finally:
        if engine is not None:
            engine.client.close()
        process.kill()
        process.wait()
