"""How long trainings and predictions take, how much memory, and whether the same snapshot gives the same bytes.

Each job is `engine.job.run` in a process of its own, at usual priority, over pictures from a local HTTP server; time
begins when its modules are imported. Cold means that no feature is kept: fetching, decoding and embedding count. The
pictures are cut out of 60 drawings and lit anew, 640 x 480; those of `retrain` are 160 x 120. Processor seconds are of
all processes of a job together: what it takes on one core of its own, whatever else runs on the machine.

cases: speed    200 pictures to classify, 100 with boxes, cold and warm; a prediction of each
       same     one snapshot four times: twice, in another order of the file, in threads and in worker processes
       retrain  a full training of many pictures, cold, over one with ten new pictures (the median of three)
       many     very many pictures whose features were drawn into the cache: peak memory (not in the default run)
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench.learning.onecore import on_one_core
from bench.report import Figure, by_name, keep_result, print_figures, revision
from bench.training_speed.million import fill
from bench.training_speed.one import Measured, measure, predict_ms
from bench.training_speed.pictures import Gallery, open_gallery, photo
from engine.learn.backbone import load_backbone
from engine.messages import DatasetSource, JobRequest, TrainRequest
from engine.records import AnnotationKind

RESULTS: Final = Path(__file__).parent / "results" / "train"
PACKAGES: Final = ("numpy", "onnxruntime", "pillow")
SMALL: Final = (160, 120)  # px, of the pictures of `retrain`
NEW: Final = 10
RUNS: Final = 3  # of trainings with new pictures; each of them is short, and the machine may be busy
BOUNDS: Final = {
    "train_200_cold_seconds": 15.0,
    "train_200_warm_seconds": 1.0,
    "detect_100_cold_seconds": 120.0,
    "detect_100_warm_seconds": 40.0,
    "predict_classification_ms": 30.0,
    "predict_detection_ms": 150.0,
    "many_peak_mb": 4_000.0,
}
RATIO: Final = 50.0  # of a full retraining over one with ten new pictures


class Bench:
    """What the cases share.

    Args:
        gallery: Serves the pictures.
        folder: For files; gone after the run.
        options: Of the command line.
    """

    def __init__(self, gallery: Gallery, folder: Path, options: argparse.Namespace) -> None:
        self.gallery = gallery
        self.folder = folder
        self.pictures: int = options.pictures
        self.many: int = options.many
        self.labels: int = options.labels
        self.backbone: str | None = options.backbone
        self._jobs = 0

    def request(self, uri: str, kind: AnnotationKind, features: str) -> JobRequest:
        """Returns a job's request; features are kept in a folder of that name."""
        self._jobs += 1
        place = self.folder / f"job{self._jobs}"
        source = DatasetSource("drawn", kind, (uri,), None)
        return JobRequest(
            task=TrainRequest(source, None, str(place / "output")),
            lock=str(place / "lock"),
            scratch=str(place / "scratch"),
            features=str(self.folder / features),
            backbone=self.backbone,
            allowed_hosts=self.gallery.host,
        )

    def train(self, uri: str, features: str, kind: AnnotationKind = AnnotationKind.CLASSIFICATION) -> Measured:
        """Trains once."""
        return measure(self.request(uri, kind, features))


def speed(bench: Bench) -> list[Figure]:
    """Measures small trainings, and predictions of what they made."""
    sets = {
        ("train_200", "classification"): (
            bench.gallery.put_classes("classes", range(200)),
            AnnotationKind.CLASSIFICATION,
        ),
        ("detect_100", "detection"): (bench.gallery.put_boxes("boxes", 100), AnnotationKind.DETECTION),
    }
    figures = []
    for (name, word), (uri, kind) in sets.items():
        request = bench.request(uri, kind, name)
        for state in ("cold", "warm"):
            taken = measure(request if state == "cold" else bench.request(uri, kind, name))
            figures += [
                bounded(f"{name}_{state}_seconds", taken.seconds, "s"),
                bounded(f"{name}_{state}_processor_seconds", taken.processor_seconds, "s"),
                bounded(f"{name}_{state}_peak_mb", taken.peak_mb, "MB"),
            ]
        figures.append(bounded(f"predict_{word}_ms", predict_ms(request, photo()), "ms"))
    return figures


def same(bench: Bench) -> list[Figure]:
    """Compares the bytes of models of one snapshot; enough pictures that a job with two CPUs starts workers."""
    count = 300
    forward = bench.gallery.put_classes("forward", range(count), size=SMALL)
    backward = bench.gallery.put_classes("backward", range(count - 1, -1, -1), size=SMALL)
    digests = {bench.train(forward, "same1").digest, bench.train(forward, "same1").digest}
    digests.add(bench.train(backward, "same2").digest)
    few = bench.gallery.put_classes("few", range(count // 2), size=SMALL)
    bench.train(few, "same3")  # in threads
    digests.add(bench.train(forward, "same3").digest)  # the rest in threads too
    return [Figure("same_snapshot_models", len(digests), "different", "<= 1", len(digests) == 1)]


def retrain(bench: Bench) -> list[Figure]:
    """Compares a full training, cold, with one after ten pictures more: the median of three."""
    before = bench.gallery.put_classes("before", range(bench.pictures), size=SMALL)
    after = bench.gallery.put_classes("after", range(bench.pictures + NEW), size=SMALL)
    bench.train(before, "before")
    runs = []
    for number in range(RUNS):
        shutil.copytree(bench.folder / "before", bench.folder / f"again{number}")
        runs.append(bench.train(after, f"again{number}"))
    again, full = sorted(runs, key=lambda run: run.seconds)[RUNS // 2], bench.train(after, "full")
    same = {run.digest for run in runs} == {full.digest}
    ratio, processor = full.seconds / again.seconds, full.processor_seconds / again.processor_seconds
    return [
        Figure("retrain_pictures", bench.pictures, "pictures"),
        Figure("retrain_10_more_seconds", again.seconds, "s"),
        Figure("retrain_10_more_slowest_seconds", max(run.seconds for run in runs), "s"),
        Figure("retrain_full_cold_seconds", full.seconds, "s"),
        Figure(f"retrain_10_of_{bench.pictures}_ratio", ratio, "x", f">= {RATIO:g}", ratio >= RATIO),
        Figure(f"retrain_10_of_{bench.pictures}_processor_ratio", processor, "x"),
        Figure("retrain_peak_mb", max(again.peak_mb, full.peak_mb), "MB"),
        Figure("retrain_worker_peak_mb", full.worker_mb, "MB"),
        Figure("retrain_same_bytes", float(same), "", ">= 1", same),
    ]


def many(bench: Bench) -> list[Figure]:
    """Measures the memory of a training of very many pictures."""
    backbone = load_backbone(bench.backbone)
    coco = fill(bench.folder / "many", bench.folder / "filling", backbone, bench.many, bench.labels)
    bench.gallery.files["/many.json"] = coco
    taken = bench.train(f"http://{bench.gallery.host}/many.json", "many")
    return [
        Figure("many_pictures", bench.many, "pictures"),
        Figure("many_labels", bench.labels, "labels"),
        Figure("many_width", backbone.width, "features"),
        Figure("many_seconds", taken.seconds, "s"),
        Figure("many_processor_seconds", taken.processor_seconds, "s"),
        bounded("many_peak_mb", taken.peak_mb, "MB"),
    ]


CASES: Final[dict[str, Callable[[Bench], list[Figure]]]] = {
    "speed": speed,
    "same": same,
    "retrain": retrain,
    "many": many,
}


def bounded(name: str, value: float, unit: str) -> Figure:
    """Makes a figure with its bound, if it has one."""
    bound = BOUNDS.get(name)
    words = "" if bound is None else f"<= {bound:g}"
    return Figure(name, float(f"{value:.4g}"), unit, words, bound is None or value <= bound)


def main(arguments: list[str]) -> int:
    """Run the suite; return its exit code."""
    return on_one_core("train", arguments, run)


def run(arguments: Sequence[str]) -> int:
    """Run the suite in this process; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="./darkroom bench train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--case", action="append", choices=CASES, help="only these (default speed, same, retrain)")
    parser.add_argument("--pictures", type=int, default=10_000, help="of `retrain` (default 10,000)")
    parser.add_argument("--many", type=int, default=1_000_000, help="of `many` (default 1,000,000)")
    parser.add_argument("--labels", type=int, default=20, help="of `many` (default 20)")
    parser.add_argument("--backbone", help="folder, builtin or handmade (default builtin)")
    parser.add_argument("--write", action="store_true", help="keep the figures in bench/results/train")
    options = parser.parse_args(arguments)
    at, figures = revision(), list[Figure]()
    for case in options.case or ("speed", "same", "retrain"):
        with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as name, open_gallery() as gallery:
            found = CASES[case](Bench(gallery, Path(name), options))
        figures += found
        if options.write:
            config = {"cores": os.cpu_count(), "backbone": options.backbone or "builtin"}
            keep_result(RESULTS / f"{case}.json", by_name(found), at=at, seed=0, config=config, packages=PACKAGES)
    return print_figures("train", figures, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
