"""What holds of the live COCO file at every commit, whatever it is told and whenever somebody is killed."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from shared.blocks import JOINTS, Leaf, decode_head, head_length
from shared.shelf import NextIds

SECTIONS = ("images", "annotations", "problems", "claims")


class Commits:
    """Watches the live file from commit to commit: what must hold at each, and of each with the ones before.

    Attributes:
        count: How many commits there were.
        most_leaves: Of the largest of them.
    """

    def __init__(self) -> None:
        self.count = 0
        self.most_leaves = 0
        self._ids: dict[str, dict[Any, int]] = {"images": {}, "annotations": {}, "categories": {}}
        self._used = dict.fromkeys(self._ids, 0)

    def check(self, data: bytes, blocks: Mapping[str, int]) -> dict[str, Any]:
        """Check one state of the file, and return it.

        Args:
            data: All of its bytes.
            blocks: Id → size of the blocks it is made of, in order.
        """
        self.count += 1
        document: dict[str, Any] = json.loads(data)
        head = decode_head(data[: head_length(data)])
        self.most_leaves = max(self.most_leaves, len(head.info.leaves))
        _check_records(document)
        _check_layout(data, blocks, document, head.info.leaves)
        _check_counts(document)
        self._check_ids(document, head.info.next_ids)
        return document

    def _check_ids(self, document: Mapping[str, Any], following: NextIds) -> None:
        next_ids = {"images": following.image, "annotations": following.annotation, "categories": following.category}
        names = {category["id"]: category["name"] for category in document["categories"]}
        paths = {image["id"]: image["file_name"] for image in document["images"]}
        now: dict[str, dict[Any, int]] = {
            "images": {path: id_ for id_, path in paths.items()},
            "categories": {name: id_ for id_, name in names.items()},
            "annotations": {
                (a["image_id"], names[a["category_id"]], tuple(a.get("bbox", ()))): a["id"]
                for a in document["annotations"]
            },
        }
        for kind, ids in now.items():
            before = self._ids[kind]
            for key, id_ in ids.items():
                if key in before:
                    assert before[key] == id_, f"{kind}: {key} was {before[key]} and is {id_}"
                else:
                    assert id_ > self._used[kind], f"{kind}: {key} got {id_}, which was used before"
            self._used[kind] = max([self._used[kind], *ids.values()])
            assert next_ids[kind] > self._used[kind]
            self._ids[kind] = ids


def _check_records(document: Mapping[str, Any]) -> None:
    for kind in ("images", "annotations", "categories"):
        ids = [record["id"] for record in document[kind]]
        assert len(set(ids)) == len(ids), f"{kind} share an id"
    images = [image["id"] for image in document["images"]]
    order = {id_: number for number, id_ in enumerate(images)}
    used = [order[annotation["image_id"]] for annotation in document["annotations"]]
    assert used == sorted(used), "annotations are in the order of their images"
    assert {a["category_id"] for a in document["annotations"]} == {c["id"] for c in document["categories"]}
    assert len({c["name"] for c in document["categories"]}) == len(document["categories"])
    for keys in (
        [image["file_name"] for image in document["images"]],
        [problem["path"] for problem in document["problems"]],
        [(claim["path"], claim.get("source", "")) for claim in document["claims"]],
    ):
        assert keys == sorted(set(keys)), "records are sorted, and each is there once"


def _check_layout(data: bytes, blocks: Mapping[str, int], document: Mapping[str, Any], leaves: Iterable[Leaf]) -> None:
    """Check that the blocks are what the head says, and hold what belongs into their leaves."""
    leaves = list(leaves)
    lows = [leaf.low for leaf in leaves]
    assert lows == sorted(set(lows))
    assert lows[:1] in ([], [""])
    owner = {image["id"]: image["file_name"] for image in document["images"]}
    listed = list(blocks.items())
    at, start = 1, listed[0][1]
    assert start == head_length(data)
    assert listed[0][0] == _block_id(data[:start])
    for number, name in enumerate(SECTIONS):
        first = True
        for leaf, high in zip(leaves, [*lows[1:], "\U0010ffff"], strict=False):
            block = leaf.blocks[number]
            if block is None:
                continue
            part = data[start : start + block.size]
            assert listed[at] == (block.id, block.size) == (_block_id(part), len(part))
            assert part[:1] == (b" " if first else b",")
            for record in json.loads(b"[" + part[1:] + b"]"):
                path = (
                    owner[record["image_id"]] if name == "annotations" else record.get("file_name", record.get("path"))
                )
                assert leaf.low <= path < high, f"{path} is not within {leaf.low!r} … {high!r}"
            at, start, first = at + 1, start + block.size, False
        joint = JOINTS[number]
        assert listed[at] == (joint.block.id, joint.block.size)
        assert data[start : start + joint.block.size] == joint.data
        at, start = at + 1, start + joint.block.size
    assert (at, start) == (len(listed), len(data))


def _block_id(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:20]


def _check_counts(document: Mapping[str, Any]) -> None:
    """Check that totals and tallies are those of the records."""
    own: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in document["images"]}
    for annotation in document["annotations"]:
        own[annotation["image_id"]].append(annotation)
    totals: Counter[str] = Counter(
        problems=len(document["problems"]), orphans=sum(bool(claim.get("note")) for claim in document["claims"])
    )
    tallies: dict[int, Counter[str]] = {}
    for image in document["images"]:
        annotations = own[image["id"]]
        sort = "single" if len(annotations) == 1 else "several" if annotations else "unlabelled"
        if any("bbox" in annotation for annotation in annotations):
            sort = "boxed"
        if not annotations and image.get("labelled_by"):
            sort = "bare"
        totals.update({"pictures": 1, sort: 1, "notes": int(bool(image.get("note")))})
        can_be_tested = min(image["width"], image["height"]) >= 50
        side = "test" if can_be_tested and int(image["sha256"][:8], 16) % 5 == 0 else "train"
        light, size = image.get("light", 0), round(8 * math.log2(image["width"] * image["height"]))
        aspect = round(64 * math.log2(image["width"] / image["height"]))
        for category in {annotation["category_id"] for annotation in annotations}:
            sums = {"light": light, "light2": light**2, "size": size, "size2": size**2}
            sums |= {"aspect": aspect, "aspect2": aspect**2}
            tallies.setdefault(category, Counter()).update({side: 1, **sums})
        for annotation in annotations:
            tallies[annotation["category_id"]]["regions"] += 1
    assert document["info"].get("totals", {}) == {name: count for name, count in totals.items() if count}
    rows = [
        [id_, c["train"], c["test"], c["regions"], *([c[name], c[f"{name}2"]] for name in ("light", "size", "aspect"))]
        for id_, c in sorted(tallies.items())
    ]
    assert document["info"].get("tallies", []) == rows
