"""The pictures that the suite measures with: records as a camera line would give, and tiny real blobs.

One in a hundred is a copy of another of its label, one in a thousand has the bytes of a picture of another label.
"""

import hashlib
import io
import random
from collections.abc import Mapping
from typing import Final

from PIL import Image

from shared.coco import Seen
from shared.cocofile import CocoFile
from shared.pictures import Facts

DATASET: Final = "parts"
LABELS: Final = 100
FOLDED_AT_ONCE: Final = 50_000
CHANGES: Final = 100  # of one measured fold
SIDE: Final = 12  # px, of a tiny picture


def path_of(label: int, number: int) -> str:
    """Return the path of a label's picture."""
    return f"{DATASET}/images/part-{label:03d}/camera-{number:07d}.jpg"


def seen_of(path: str, content: str) -> Seen:
    """Return what a look at a picture finds; equal `content` stands for equal bytes."""
    digest = hashlib.sha256(content.encode()).hexdigest()
    etag = f"0x8DD{hashlib.sha256(f'{path} {content}'.encode()).hexdigest()[:12].upper()}"
    return Seen(etag=etag, facts=Facts(etag=etag, sha256=digest, width=640, height=480, light=int(digest[:2], 16)))


def fill(file: CocoFile, pictures: int) -> None:
    """Fold so many pictures of a hundred labels into a file, in the order of their paths."""
    each = pictures // LABELS
    seen: dict[str, Seen | None] = {}
    for label in range(LABELS):
        for number in range(each):
            path = path_of(label, number)
            content = path
            if number % 100 == 7:
                content = path_of(label, number - 1)
            elif number % 1000 == 3:
                content = path_of((label + 1) % LABELS, number + 1)
            seen[path] = seen_of(path, content)
        if len(seen) >= FOLDED_AT_ONCE or label == LABELS - 1:
            file.fold(seen)
            seen = {}


def clustered(rng: random.Random, pictures: int) -> Mapping[str, Seen | None]:
    """Return new pictures of one folder that follow each other, where its numbers went on."""
    label, start = rng.randrange(LABELS), pictures // LABELS + rng.randrange(10**6)
    paths = [path_of(label, number) for number in range(start, start + CHANGES)]
    return {path: seen_of(path, f"{path} {rng.random()}") for path in paths}


def interspersed(rng: random.Random, pictures: int) -> Mapping[str, Seen | None]:
    """Return new pictures of one folder, at names between the others."""
    label = rng.randrange(LABELS)
    paths = [
        f"{path_of(label, rng.randrange(pictures // LABELS))[:-4]}-{rng.randrange(10**6)}.jpg" for _ in range(CHANGES)
    ]
    return {path: seen_of(path, f"{path} {rng.random()}") for path in paths}


def scattered(rng: random.Random, pictures: int) -> Mapping[str, Seen | None]:
    """Return changes at random paths: a third each are new, replaced and gone."""
    changes: dict[str, Seen | None] = {}
    while len(changes) < CHANGES:
        path = path_of(rng.randrange(LABELS), rng.randrange(pictures // LABELS))
        match len(changes) % 3:
            case 0:
                path = f"{path[:-4]}-{rng.randrange(10**6)}.jpg"
                changes[path] = seen_of(path, f"{path} {rng.random()}")
            case 1:
                changes[path] = seen_of(path, f"{path} {rng.random()}")
            case _:
                changes[path] = None
    return changes


def draw(content: str) -> bytes:
    """Draw a tiny picture; other content gives other bytes."""
    noise = random.Random(content).randbytes(SIDE * SIDE)  # noqa: S311 - not for secrets
    buffer = io.BytesIO()
    Image.frombytes("L", (SIDE, SIDE), noise).save(buffer, "PNG")
    return buffer.getvalue()
