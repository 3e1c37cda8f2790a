"""One measurement in a process of its own, so that its memory is its own: `python -m bench.training_speed.one`.

Takes JSON lines: what to measure, and a job's request. Writes one JSON object. Time begins when all is imported.
"""

import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.artifacts import classifier_path, detector_path
from engine.images import PREDICTION, decode_picture
from engine.job import run
from engine.learn.backbone import load_backbone
from engine.learn.classifier import Classifier
from engine.learn.detector import Detector, picture_maps
from engine.messages import JobRequest, TrainRequest
from engine.processes import ONE_THREAD

_ROOT: Final = Path(__file__).resolve().parents[2]
_ROUNDS: Final = 15


@dataclass(frozen=True, slots=True)
class Measured:
    """What a measurement took.

    Attributes:
        seconds: By the wall clock.
        processor_seconds: Of all its processes together; what it would take on one core that is its own.
        peak_mb: Most memory of its process, in MB of 10⁶ bytes.
        worker_mb: Most memory of one of its worker processes.
        digest: Of the model.
    """

    seconds: float
    processor_seconds: float
    peak_mb: float
    worker_mb: float
    digest: str


def measure(request: JobRequest) -> Measured:
    """Does a training in a process of its own."""
    return Measured(**_ask("train", request))


def predict_ms(request: JobRequest, picture: bytes) -> float:
    """Returns the median of what a prediction takes, from the JPEG on: processor milliseconds, on one core."""
    path = Path(request.scratch).with_name("photo.jpg")
    path.write_bytes(picture)
    return float(_ask("predict", request, path)["ms"])


def _ask(what: str, request: JobRequest, *arguments: Path) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-m", "bench.training_speed.one", what, *map(str, arguments)],
        input=msgspec.json.encode(request),
        stdout=subprocess.PIPE,
        check=True,
        cwd=_ROOT,
        env=dict(os.environ) | ONE_THREAD,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _train(request: JobRequest) -> dict[str, Any]:
    began, used = time.monotonic(), _processor()
    run(request, lambda _: None)
    seconds, processor = time.monotonic() - began, _processor() - used
    folder = Path(request.task.output) if isinstance(request.task, TrainRequest) else Path()
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return asdict(
        Measured(
            seconds=seconds,
            processor_seconds=processor,
            peak_mb=_peak_mb(resource.RUSAGE_SELF),
            worker_mb=_peak_mb(resource.RUSAGE_CHILDREN),
            digest=digest.hexdigest(),
        )
    )


def _peak_mb(who: int) -> float:
    return resource.getrusage(who).ru_maxrss * 1024 / 1e6


def _processor() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _predict(request: JobRequest, picture: Path) -> dict[str, Any]:
    folder = Path(request.task.output) if isinstance(request.task, TrainRequest) else Path()
    backbone, content, times = load_backbone(request.backbone), picture.read_bytes(), []
    classifier = Classifier.load(classifier_path(folder)) if classifier_path(folder).exists() else None
    detector = Detector.load(detector_path(folder)) if classifier is None else None
    for _ in range(_ROUNDS):
        began = time.process_time()
        pixels = decode_picture(content, PREDICTION).pixels
        if classifier is not None:
            classifier.predict(backbone.embed(pixels)[None])
        if detector is not None:
            detector.detect(picture_maps(backbone, pixels))
        times.append(1000 * (time.process_time() - began))
    return {"ms": statistics.median(times)}


if __name__ == "__main__":
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=JobRequest)
    answer = _train(asked) if sys.argv[1] == "train" else _predict(asked, Path(sys.argv[2]))
    sys.stdout.write(json.dumps(answer))
