"""What is written beside an exported network: META.json for the engine, the model card for people."""

import hashlib
import json
from typing import Any

CARD = """# {name}

A small convolutional network whose maps at strides 8, 16 and 32 are features for classification and detection.

| | |
|---|---|
| input | uint8 (1, height, width, 3), RGB, sides multiples of 32; trained at {side} px |
| outputs | {outputs} channels |
| weights | {millions:.1f} million, stored as float16, computed as float32; {megabytes:.1f} MB |
| sha256 | `{sha256}` |
| licence | {licence}, as the repository |

## How it was made

It started from random weights and learnt to answer as its teachers do, on pictures that `pretrain/` draws. No photo
was used, and no tensor of a teacher is in it: a test compares them. Recipe, seeds and curves are in `pretrain/`.

| teacher | licence | source |
|---|---|---|
{teachers}

The teachers learnt from photographs (ImageNet-1k, COCO); what they prefer and miss, it may have learnt from them.

## Limits

Drawings lack what nature has: it is weaker than its teachers on clothing, rooms, insects and flowers. It was not made
to recognise people, and nothing was measured about that.

## Figures

Mean class-balanced accuracy over `euro_coins8`, `sign_digits10`, `fruit3` and `hemlock_cherry`, one core:

| | 2-shot | 5-shot | 10-shot | ms a picture |
|---|---|---|---|---|
| {name} | not measured yet | not measured yet | not measured yet | not measured yet |
"""


def manifest(name: str, content: bytes, channels: dict[int, int], side: int, *, licence: str) -> str:
    """Writes META.json of a network.

    Args:
        name: For people, and of the folder.
        content: Of model.onnx.
        channels: Stride -> number of channels.
        side: Of the drawings it was trained on last, px.
        licence: Under which it may be passed on.
    """
    meta = {
        "name": name,
        "licence": licence,
        "source": "Distilled on drawn pictures alone; see MODEL_CARD.md and pretrain/",
        "input": {
            "layout": "NHWC",
            "dtype": "uint8",
            "range": "0-255 RGB",
            "side": f"any multiple of 32; trained at {side}",
            "name": "input",
        },
        "outputs": {f"stride{s}": {"channels": c, "layout": "NCHW"} for s, c in channels.items()},
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }
    return json.dumps(meta, indent=1) + "\n"


def card(meta: dict[str, Any], weights: int, side: int, teachers: list[dict[str, Any]]) -> str:
    """Writes the model card of a network.

    Args:
        meta: What `manifest` wrote.
        weights: How many.
        side: Of the drawings, px.
        teachers: Name, licence and source of each, as their META.json says.
    """
    return CARD.format(
        name=meta["name"],
        side=side,
        outputs=", ".join(f"`{name}` {one['channels']}" for name, one in meta["outputs"].items()),
        millions=weights / 1e6,
        megabytes=meta["bytes"] / 1e6,
        sha256=meta["sha256"],
        licence=meta["licence"],
        teachers="\n".join(f"| {one['name']} | {one['licence']} | {one['source']} |" for one in teachers),
    )
