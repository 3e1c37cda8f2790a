"""Tells the labels of pictures: python predict.py PICTURE ... (needs onnxruntime, numpy and pillow, no engine)."""

import json
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read by onnxruntime as it is imported; or it may report its use
import onnxruntime  # type: ignore[import-untyped]

LARGEST = (2048, 2048)  # larger pictures are made smaller first, as the engine does


def read_picture(path: str) -> Image.Image:
    """Reads a picture upright, without transparency, in RGB."""
    with Image.open(path) as image:
        if image.mode in ("L", "RGB", "CMYK"):
            image.thumbnail(LARGEST, Image.Resampling.BOX)
        picture = ImageOps.exif_transpose(image)
    if picture.has_transparency_data:
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
    picture = picture.convert("RGB")
    picture.thumbnail(LARGEST, Image.Resampling.BOX)
    return picture


def main(folder: Path, paths: list[str]) -> None:
    """Prints a line for each picture: its path, and the labels with their confidences, most confident first."""
    labels = json.loads((folder / "labels.json").read_text("utf-8"))
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    for path in paths:
        (confidences,) = session.run(None, {"picture": np.asarray(read_picture(path))})
        ranked = sorted(zip(labels, confidences.tolist(), strict=True), key=lambda pair: -pair[1])
        sys.stdout.write("\t".join([path, *(f"{label} {confidence:.6f}" for label, confidence in ranked)]) + "\n")


if __name__ == "__main__":
    main(Path(__file__).parent, sys.argv[1:])
