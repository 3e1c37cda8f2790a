"""The peer: what a user would write around the same network with Starlette, Pillow and onnxruntime.

`python -m bench.serving.plain --backbone DIR --labels N --threads N --port N`. It knows no models by name, no key, no
limits and no EXIF; its weights are random, which costs what trained ones cost.
"""

import argparse
import io
import sys
from pathlib import Path

import numpy as np
import onnxruntime  # type: ignore[import-untyped]  # it ships no types
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

SIDE = 224


def build_app(folder: Path, labels: int, threads: int) -> Starlette:
    """Builds the endpoint.

    Args:
        folder: Of the backbone; its network takes (1, H, W, 3) uint8, as MobileNetV2's does.
        labels: How many it tells apart.
        threads: onnxruntime's intra_op_num_threads; 0 is its default, one a core.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    [taken] = session.get_inputs()
    width = next(output.shape[1] for output in session.get_outputs() if output.name == "stride32")
    weights = np.random.default_rng(0).normal(size=(width, labels)).astype(np.float32)

    def classify(body: bytes) -> dict[str, float]:
        image = Image.open(io.BytesIO(body)).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        [maps] = session.run(["stride32"], {taken.name: np.asarray(image)[None]})
        scores = maps.mean(axis=(2, 3))[0] @ weights
        odds = np.exp(scores - scores.max())
        return {f"label {number}": float(share) for number, share in enumerate(odds / odds.sum())}

    async def analyze(request: Request) -> JSONResponse:
        return JSONResponse(await run_in_threadpool(classify, await request.body()))

    return Starlette(routes=[Route("/analyze", analyze, methods=["POST"])])


def main(arguments: list[str]) -> None:
    """Serves until it is killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", type=Path, required=True)
    for name in ("--labels", "--threads", "--port"):
        parser.add_argument(name, type=int, required=True)
    options = parser.parse_args(arguments)
    app = build_app(options.backbone, options.labels, options.threads)
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main(sys.argv[1:])
