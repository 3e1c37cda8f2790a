"""`demo`: the whole loop once, in a folder and on ports of its own, from labelled pictures to judged predictions."""

import argparse
import json
import math
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, TextIO

import samples
from devhost.console import Console
from devhost.demo_access import Access
from devhost.demo_boxes import read_boxed_pictures, split_boxed
from devhost.demo_boxreport import box_answer, box_report, show_boxes
from devhost.demo_pictures import Collection, LabelledPicture, PicturesError, dataset_name, read_pictures, split
from devhost.demo_report import Outcome, report, show, tag_answer
from devhost.demo_walk import Clock, Walk
from devhost.errors import DevhostError
from devhost.services import Services
from devhost.settings import backbone_settings

PER_LABEL: Final = 40
BOXED: Final = 36
BOXED_LABELS: Final = ("bolt", "nut", "washer")
SEED: Final = 1  # of 0 to 3 (70 to 85 % right on what is held out) the one nearest their mean
_SETTINGS: Final = {
    "FOLD_SCHEDULE": "*/2 * * * * *",
    "START_TRAINING_SCHEDULE": "* * * * * *",
    "POLL_TRAINING_SCHEDULE": "* * * * * *",
    "QUIET_PERIOD": "3",
    "COOL_DOWN": "0",
}


@dataclass(frozen=True, slots=True)
class _Kind[Said]:
    """What the demo does its own way for what is learnt.

    Attributes:
        draw: Draws pictures into a folder, and tells how many are done, of how many.
        collect: Reads a folder of pictures, and holds some out.
        answer: Reads what the endpoint said about a picture.
        show: Prints the outcome for people.
        report: Makes the JSON object.
        dataset: What drawn pictures are called.
        timeout: Seconds after which it gives up.
    """

    draw: Callable[[Path, Callable[[int, int], None]], object]
    collect: Callable[[Path], Collection]
    answer: Callable[[LabelledPicture, Mapping[str, Any]], Said]
    show: Callable[[Outcome[Said], Mapping[str, float], Console], None]
    report: Callable[[str, Outcome[Said], Mapping[str, float]], dict[str, Any]]
    dataset: str
    timeout: float


_CLASSIFICATION: Final = _Kind(
    draw=lambda folder, tell: samples.write_sample(folder, PER_LABEL, SEED, on_picture=tell),
    collect=lambda folder: split(folder, read_pictures(folder)),
    answer=tag_answer,
    show=show,
    report=report,
    dataset="parts",
    timeout=300,
)
_DETECTION: Final = _Kind(
    draw=lambda folder, tell: samples.write_mixed(folder, BOXED, SEED, BOXED_LABELS, on_picture=tell),
    collect=lambda folder: split_boxed(folder, read_boxed_pictures(folder)),
    answer=box_answer,
    show=show_boxes,
    report=box_report,
    dataset="mixed-parts",
    timeout=900,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `demo` understands."""
    parser.description = (
        "Run the whole loop once: pictures go into storage, a model is trained, judged and promoted, and answers about "
        "pictures it has never seen. Everything runs here, on free ports, and is gone afterwards. ./darkroom "
        "backbone, or ENGINE_BACKBONE in the environment, chooses what the engine sees with."
    )
    parser.add_argument(
        "--kind",
        choices=("classification", "detection"),
        default="classification",
        help="a label a picture, or boxes in it (default: classification)",
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="your pictures, as label/picture, or with Pascal VOC side-cars beside them (default: drawn)",
    )
    parser.add_argument("--dataset", metavar="NAME", help="what the dataset is called (default: the folder's name)")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="give up after (default: 300; detection: 900)")
    parser.add_argument("--keep", action="store_true", help="keep the data folder and say where it is")
    parser.add_argument("--json", action="store_true", help="print one JSON object on one line, last")


def run(args: argparse.Namespace) -> int:
    """Runs the demo and returns the exit code; what goes wrong is told on stderr, or in the JSON object."""
    console = Console(sys.stderr if args.json else sys.stdout)
    try:
        with _ended_by_signals():
            if args.kind == "detection":
                told = _demo(args, _DETECTION, console)
            else:
                told = _demo(args, _CLASSIFICATION, console)
    except DevhostError as error:
        _tell_failure(str(error), as_json=args.json)
        return 1
    except KeyboardInterrupt:
        _tell_failure("interrupted", as_json=args.json)
        return 130
    if args.json:
        _print_json(sys.stdout, told)
    return 0


def _demo[Said](args: argparse.Namespace, kind: _Kind[Said], console: Console) -> dict[str, Any]:
    timeout = kind.timeout if args.timeout is None else args.timeout
    if not 0 < timeout < math.inf:
        raise PicturesError(f"--timeout {timeout:g} is no number of seconds to wait")
    dataset = dataset_name(args.dataset, args.images, drawn=kind.dataset)
    settings = {**_SETTINGS, **backbone_settings(os.environ)}
    collection = kind.collect(args.images) if args.images is not None else None
    clock = Clock(deadline=time.monotonic() + timeout)
    with _data_folder(console, keep=args.keep) as data:
        with clock.timing("start"):
            collection = collection or _drawn(data / "pictures", kind, console)
            _describe(collection, console)
            console.say("starting storage, engine and function app")
            services = Services(data, settings=settings)
            services.start()
        try:
            console.say(f"storage, engine and function app answer: {services.endpoint}")
            with Access(
                dataset,
                kind.answer,
                endpoint=services.endpoint,
                key=services.key,
                function_key=services.function_key,
                engine=services.engine,
                engine_key=services.engine_key,
                storage_connection_string=services.storage_connection_string,
            ) as access:
                outcome = Walk(access, collection, clock=clock, console=console).run()
            kind.show(outcome, clock.seconds, console)
        finally:
            services.stop()
    return kind.report(dataset, outcome, clock.seconds)


def _drawn[Said](folder: Path, kind: _Kind[Said], console: Console) -> Collection:
    kind.draw(folder, lambda done, of: console.progress(f"drew {done} of {of} pictures"))
    return kind.collect(folder)


def _describe(collection: Collection, console: Console) -> None:
    labels = ", ".join(f"{label} {count}" for label, count in collection.labels.items())
    console.say(
        f"{len(collection.uploaded) + len(collection.held_out)} pictures ({labels}); "
        f"{len(collection.held_out)} of them are held out: they are never uploaded"
    )
    for label, count in collection.too_small.items():
        console.say(f"label {label} has only {count} different pictures: it is not learnt")


@contextmanager
def _data_folder(console: Console, *, keep: bool) -> Iterator[Path]:
    """Makes a folder for everything; of a demo that failed the logs stay, otherwise nothing unless `keep`."""
    data = Path(tempfile.mkdtemp(prefix="darkroom-demo-"))
    stays = keep
    try:
        yield data
    except DevhostError as error:
        stays = True
        for entry in () if keep else data.iterdir():
            if entry.name != "logs":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        raise type(error)(f"{error}\nThe logs are in {data / 'logs'}.") from error
    finally:
        if stays:
            console.say(f"kept {data}")
        else:
            shutil.rmtree(data, ignore_errors=True)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Lets SIGTERM and SIGHUP end the demo as Ctrl-C does: with everything stopped and removed."""

    def end(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell_failure(reason: str, *, as_json: bool) -> None:
    if as_json:
        _print_json(sys.stdout, {"ok": False, "reason": reason})
    else:
        sys.stderr.write(f"darkroom demo: {reason}\n")


def _print_json(stream: TextIO, document: Mapping[str, Any]) -> None:
    stream.write(json.dumps(document, ensure_ascii=False) + "\n")
