"""The job process: trains or evaluates one model, then ends. `python -m engine.job`, started by `engine.jobs` only.

It ends by itself as soon as its standard input closes, that is, when the engine dies, however it dies.
"""

import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec
import numpy as np

from engine.access import Access, AllowedHosts, shown
from engine.artifacts import Manifest, classifier_path, flush, write_manifest
from engine.coco import CORRUPT, labelled_pictures, parse_coco
from engine.errors import FetchError, ForbiddenError, JobError, UnreachableError
from engine.features import EmbeddedSet, Embedder, FeatureCache
from engine.fetch import Fetcher
from engine.learn.backbone import Backbone, load_backbone
from engine.learn.classifier import Classifier, fit_classifier
from engine.learn.errors import ClassifierFileError, NotEnoughPicturesError
from engine.learn.metrics import Performance, measure
from engine.messages import (
    DatasetSource,
    Done,
    EvaluateRequest,
    Failed,
    JobLine,
    JobRequest,
    Progress,
    TrainRequest,
)
from engine.records import ModelKind

MAX_COCO_BYTES = 512 * 1024 * 1024
_ENGINE_IS_GONE = 3  # exit status


class Job:
    """One job, in this process.

    Args:
        request: What to do.
        report: Takes progress; called from one thread.
    """

    def __init__(self, request: JobRequest, report: Callable[[Progress], None]) -> None:
        self._request = request
        self._report = report
        self._fetcher = Fetcher(AllowedHosts.parse(request.allowed_hosts))

    def run(self) -> Done:
        """Does it.

        Raises:
            JobError: With the code and message for the model or evaluation.
        """
        try:
            backbone = load_backbone(Path(self._request.backbone) if self._request.backbone else None)
            match self._request.task:
                case TrainRequest() as task:
                    return self._train(task, backbone)
                case EvaluateRequest() as task:
                    return self._evaluate(task, backbone)
        finally:
            self._fetcher.close()

    def _train(self, task: TrainRequest, backbone: Backbone) -> Done:
        training = self._embedded(task.training, backbone, "training")
        self._report(Progress("fit_classifier", 0.0))
        labels = tuple(sorted(set(training.labels)))
        index = {label: position for position, label in enumerate(labels)}
        targets = np.array([index[label] for label in training.labels], dtype=np.intp)
        try:
            fitted = fit_classifier(
                training.features,
                targets,
                labels,
                backbone=backbone,
                on_progress=lambda _, share: self._report(Progress("fit_classifier", share)),
            )
        except NotEnoughPicturesError as exc:
            raise JobError(CORRUPT, f"Data set '{task.training.name}': {exc}.") from exc
        performance = fitted.cross_validated
        if task.test is not None:
            test = self._embedded(task.test, backbone, "test")
            performance = self._measured(fitted.classifier, test)
        self._report(Progress("save_model", 0.0))
        output = Path(task.output)
        output.mkdir(parents=True)
        fitted.classifier.save(classifier_path(output))
        manifest = Manifest(
            kind=ModelKind.CLASSIFIER,
            labels=labels,
            backbone_name=backbone.name,
            backbone_digest=backbone.digest,
            training_dataset=task.training.name,
            pictures=len(training.labels),
            performance=performance.as_wire(),
        )
        write_manifest(output, manifest)
        flush(output)
        return Done(performance.as_wire())

    def _evaluate(self, task: EvaluateRequest, backbone: Backbone) -> Done:
        try:
            classifier = Classifier.load(classifier_path(Path(task.model)))
        except ClassifierFileError as exc:
            message = f"The files of model '{task.model_name}' cannot be read. Train it again under a new name."
            raise JobError("unknown", message) from exc
        if classifier.backbone_digest != backbone.digest:
            raise JobError(
                "incorrectModelKind",
                f"Model '{task.model_name}' was trained with another backbone ({classifier.backbone_digest[:12]}) than "
                f"the engine has now ({backbone.name}, {backbone.digest[:12]}). "
                "Train it again, or start the engine with its backbone.",
            )
        test = self._embedded(task.test, backbone, "test")
        return Done(self._measured(classifier, test).as_wire())

    def _measured(self, classifier: Classifier, test: EmbeddedSet) -> Performance:
        self._report(Progress("measure_performance", 0.0))
        return measure(classifier.predict(test.features), classifier.labels, test.labels)

    def _embedded(self, source: DatasetSource, backbone: Backbone, role: str) -> EmbeddedSet:
        self._report(Progress(f"read_{role}_annotations", 0.0))
        access = Access.of(source.annotation_file_uris, source.sas)
        files = [(shown(uri), parse_coco(self._read(uri, access), shown(uri))) for uri in source.annotation_file_uris]
        examples = labelled_pictures(files)
        if not examples:
            raise JobError(CORRUPT, f"Data set '{source.name}' has no annotated picture. Add some.")
        stage = f"embed_{role}_pictures"
        self._report(Progress(stage, 0.0))
        embedder = Embedder(backbone, FeatureCache(Path(self._request.features), backbone), self._fetcher)
        return embedder.embed(examples, access, lambda done, total: self._report(Progress(stage, done / total)))

    def _read(self, uri: str, access: Access) -> bytes:
        try:
            return self._fetcher.read(uri, limit=MAX_COCO_BYTES, access=access)
        except (UnreachableError, ForbiddenError) as exc:
            raise JobError("unknown", f"Annotation file: {exc}") from exc
        except FetchError as exc:
            raise JobError(CORRUPT, f"Annotation file: {exc}") from exc


def main(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Reads one request line, does the job, and writes JSON lines."""
    request = msgspec.json.decode(requests.readline(), type=JobRequest)
    threading.Thread(target=_end_with_engine, args=(requests,), daemon=True).start()

    def say(line: JobLine) -> None:
        answers.write(msgspec.json.encode(line) + b"\n")
        answers.flush()

    # A killed engine's child may be about to end while the next engine starts the same job: wait for it.
    with Path(request.lock).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            say(Job(request, say).run())
        except JobError as exc:
            say(Failed(exc.code, exc.message))


def _end_with_engine(requests: IO[bytes]) -> None:
    requests.read()
    os._exit(_ENGINE_IS_GONE)


if __name__ == "__main__":
    # Whatever a library prints must not mix with the answers: they get the pipe, stdout becomes stderr.
    pipe = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(pipe, "wb") as answers_pipe:
        # Unbuffered: a daemon thread that waits in a buffered reader would hold its lock while the interpreter ends.
        main(open(0, "rb", buffering=0, closefd=False), answers_pipe)  # noqa: SIM115 - a descriptor, not a path
