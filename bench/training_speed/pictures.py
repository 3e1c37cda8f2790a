"""Data sets of drawn pictures on a local HTTP server, as a job reads them."""

import hashlib
import io
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

import samples
from samples import Drawn

DRAWINGS: Final = 40  # of which all pictures are made, by cutting them out and lighting them anew: drawing takes 0.2 s
QUALITY: Final = 90
PHOTO: Final = (640, 480)


class Gallery:
    """Files over HTTP, and the pictures that they are made of.

    Attributes:
        files: By path.
        host: host:port.
    """

    def __init__(self, host: str, files: dict[str, bytes]) -> None:
        self.host = host
        self.files = files
        self._labelled = [(label, samples.draw(label, seed)) for seed in range(10) for label in samples.LABELS]
        self._mixed: list[Drawn] = []

    def put_classes(self, name: str, numbers: Sequence[int], *, size: tuple[int, int] = PHOTO) -> str:
        """Puts a classification data set of the pictures of these numbers; returns the URL of its COCO file."""
        images, notes = [], []
        for number in numbers:
            label, drawn = self._labelled[number % len(self._labelled)]
            images.append(self._put(f"{size[0]}/{number}.jpg", _varied(drawn.picture, number, size)))
            notes.append({"category_id": samples.LABELS.index(label) + 1})
        return self._put_coco(name, images, [[note] for note in notes])

    def put_boxes(self, name: str, count: int) -> str:
        """Puts a detection data set; returns the URL of its COCO file."""
        self._mixed = self._mixed or [samples.draw_mixed(seed) for seed in range(DRAWINGS // 2)]
        images, notes = [], []
        for number in range(count):
            drawn = self._mixed[number % len(self._mixed)]
            mirrored, light = divmod(number // len(self._mixed), 4)
            picture = ImageOps.mirror(drawn.picture) if mirrored % 2 else drawn.picture
            content = _encoded(ImageEnhance.Brightness(picture).enhance(0.85 + 0.1 * light))
            images.append(self._put(f"boxes/{number}.jpg", content))
            width, height = picture.size
            notes.append(
                [
                    {
                        "category_id": samples.LABELS.index(box.label) + 1,
                        "bbox": [
                            (width - box.left - box.width if mirrored % 2 else box.left) / width,
                            box.top / height,
                            box.width / width,
                            box.height / height,
                        ],
                    }
                    for box in drawn.boxes
                ]
            )
        return self._put_coco(name, images, notes)

    def _put(self, path: str, content: bytes) -> dict[str, Any]:
        self.files[f"/{path}"] = content
        return {
            "file_name": path,
            "absolute_url": f"http://{self.host}/{path}",
            "sha256": hashlib.sha256(content).hexdigest(),
        }

    def _put_coco(self, name: str, images: list[dict[str, Any]], notes: list[list[dict[str, Any]]]) -> str:
        pairs = [(number, note) for number, some in enumerate(notes, 1) for note in some]
        coco = {
            "images": [{"id": number} | image for number, image in enumerate(images, 1)],
            "annotations": [{"id": id_, "image_id": number} | note for id_, (number, note) in enumerate(pairs, 1)],
            "categories": [{"id": number, "name": label} for number, label in enumerate(samples.LABELS, 1)],
        }
        self.files[f"/{name}.json"] = json.dumps(coco).encode()
        return f"http://{self.host}/{name}.json"


@contextmanager
def open_gallery() -> Iterator[Gallery]:
    """Serves files on a free loopback port."""
    files: dict[str, bytes] = {}

    class Request(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Gallery(f"127.0.0.1:{server.server_port}", files)
    finally:
        server.shutdown()
        server.server_close()


def photo() -> bytes:
    """Returns a picture that is in no data set: a drawn 640 x 480 JPEG."""
    return _encoded(samples.draw("nut", 1_000_000).picture)


def _varied(picture: Image.Image, number: int, size: tuple[int, int]) -> bytes:
    rng = np.random.default_rng(number)
    width, height = picture.size
    share = rng.uniform(0.85, 1.0)
    left, top = rng.uniform(0, (1 - share) * width), rng.uniform(0, (1 - share) * height)
    box = (left, top, left + share * width, top + share * height)
    cut = picture.resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    return _encoded(ImageEnhance.Brightness(cut).enhance(rng.uniform(0.8, 1.2)))


def _encoded(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
