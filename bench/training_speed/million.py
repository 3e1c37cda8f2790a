"""Trains a classifier of very many pictures whose features are in the cache, drawn there without pictures."""

import hashlib
import json
from collections.abc import Iterator
from itertools import batched
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.extractors import EmbeddingExtractor
from engine.featurecache import FeatureCache
from engine.learn.backbone import Backbone
from engine.learn.traits import TRAITS
from engine.segments import Kept

_SEGMENT: Final = 4_096


def fill(features: Path, scratch: Path, backbone: Backbone, count: int, labels: int) -> bytes:
    """Puts features of `count` pictures of some labels into the cache: noise around a centre of each label.

    Returns:
        The COCO file that names the pictures; nothing lies at their URLs, and nobody asks.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    cache = FeatureCache(features, EmbeddingExtractor(backbone), scratch)
    centres = np.random.default_rng(0).uniform(0.0, 1.0, (labels, backbone.width)).astype(np.float32)
    for numbers in batched(range(count), _SEGMENT, strict=False):
        rng = np.random.default_rng(numbers[0])
        rows = centres[np.array(numbers) % labels] + rng.normal(0, 2.0, (len(numbers), backbone.width))
        looks = rng.integers(0, 2**63, (len(numbers), 4), dtype=np.uint64)
        kept = zip(numbers, np.abs(rows).astype(np.float32), looks, strict=True)
        cache.keep(
            {
                _sha256(number): Kept(look, np.zeros(len(TRAITS), np.float32), 100, 100, row)
                for number, row, look in kept
            }
        )
    return json.dumps(
        {
            "images": list(_images(count)),
            "annotations": [
                {"id": number, "image_id": number, "category_id": number % labels} for number in range(count)
            ],
            "categories": [{"id": number, "name": f"label {number}"} for number in range(labels)],
        }
    ).encode()


def _images(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        url = f"http://127.0.0.1/pictures/{number}.jpg"
        yield {"id": number, "file_name": f"{number}.jpg", "absolute_url": url, "sha256": _sha256(number)}


def _sha256(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()
