"""A small store of drawn pictures and COCO files over HTTP, and pictures that are damaged."""

import io
import json
import random
import struct
import threading
import zlib
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Self

import samples

SIZE: Final = (160, 120)  # px
PER_LABEL: Final = 6
GOOD: Final = ("parts-0", "parts-1", "parts-2")
BAD: Final = ("not-json", "gone", "detection")
_NOT_JSON: Final = b'{"images": [{"id": 1,'


def jpeg(label: str, seed: int) -> bytes:
    """Returns a drawn picture."""
    buffer = io.BytesIO()
    samples.draw(label, seed).picture.convert("RGB").resize(SIZE).save(buffer, "JPEG")
    return buffer.getvalue()


def damaged(picture: bytes, rng: random.Random) -> bytes:
    """Returns what should have been a picture: cut, garbled, empty, something else, or a flood of pixels."""
    match rng.randrange(5):
        case 0:
            return picture[: rng.randrange(1, len(picture))]
        case 1:
            garbled = bytearray(picture)
            for _ in range(20):
                garbled[rng.randrange(len(garbled))] = rng.randrange(256)
            return bytes(garbled)
        case 2:
            return b""
        case 3:
            return rng.randbytes(2000)
        case _:
            return _flood()


def _flood() -> bytes:
    """Returns a PNG of a few bytes that says it is 60,000 pixels wide and high."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk


class PictureServer:
    """Serves the files of all data sets on a free loopback port; used as a context.

    Attributes:
        pictures: Good JPEGs.
    """

    def __init__(self) -> None:
        self.pictures: list[bytes] = []
        self._files: dict[str, bytes] = {}
        self._server = _Server(self._files)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        for number, name in enumerate(GOOD):
            self._put_parts(name, first_seed=PER_LABEL * number)
        self._files["not-json.json"] = _NOT_JSON
        self._files["gone.json"] = self._coco([(f"gone/{number}.jpg", number % 2) for number in range(8)])
        self._files["detection.json"] = self._files["parts-0.json"]  # its records have no boxes

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def host(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self._server.server_port}"

    def annotations(self, dataset: str) -> str:
        """Returns the URL of a data set's COCO file."""
        return f"http://{self.host}/{dataset}.json"

    def picture_url(self, rng: random.Random) -> str:
        """Returns the URL of some picture, now and then of one that does not exist."""
        return f"http://{self.host}/{rng.choice(GOOD)}/{rng.randrange(len(samples.LABELS) * PER_LABEL + 2)}.jpg"

    def _put_parts(self, name: str, *, first_seed: int) -> None:
        named: list[tuple[str, int]] = []
        for category, label in enumerate(samples.LABELS):
            for seed in range(first_seed, first_seed + PER_LABEL):
                path = f"{name}/{len(named)}.jpg"
                self._files[path] = jpeg(label, seed)
                self.pictures.append(self._files[path])
                named.append((path, category))
        self._files[f"{name}.json"] = self._coco(named)

    def _coco(self, named: list[tuple[str, int]]) -> bytes:
        images = [
            {
                "id": i,
                "width": SIZE[0],
                "height": SIZE[1],
                "file_name": path,
                "absolute_url": f"http://{self.host}/{path}",
            }
            for i, (path, _) in enumerate(named, 1)
        ]
        annotations = [{"id": i, "image_id": i, "category_id": c + 1} for i, (_, c) in enumerate(named, 1)]
        used = sorted({category for _, category in named})
        categories = [{"id": category + 1, "name": samples.LABELS[category]} for category in used]
        return json.dumps({"images": images, "annotations": annotations, "categories": categories}).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        super().__init__(("127.0.0.1", 0), _Request)


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        """Answers until the connection closes, or its reader was killed."""
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        """Answers a file."""
        content = self.server.files.get(self.path.lstrip("/"))
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Says nothing."""
