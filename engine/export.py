"""A trained model as a zip of files that run without the engine, or that say what they need.

model.onnx      backbone and head in one: picture in, confidences out; without a network model.npz, the head
labels.json     the labels, in the order of the confidences
card.json       what the model is: data, performance, backbone, licence, head
README.md       how to use it
predict.py      does so; only beside model.onnx
"""

import hashlib
import logging
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from engine.artifacts import Manifest, classifier_path, read_manifest
from engine.catalog import Catalog
from engine.errors import DiskRefusedError, NotReadyError
from engine.learn import manifest as networks
from engine.learn.backbone import Backbone
from engine.learn.builtin import BuiltinBackbone
from engine.learn.classifier import Classifier
from engine.learn.errors import BackboneError, ClassifierFileError, NotExportableError
from engine.learn.network import NetworkBackbone, digest_of
from engine.orders import JobPlace
from engine.records import Model, ModelKind, Status
from engine.served import ServedBackbones, backbone_of_model

CARD_SCHEMA = 1
PIECE = 262_144  # bytes that are sent at once
_BEGINNING = (1980, 1, 1, 0, 0, 0)  # of a zip's time: equal models make equal bytes
_EXPORTED = Path(__file__).with_name("exported")
_log = logging.getLogger(__name__)
_RUNS_ALONE = """# {name}

An image classifier. `model.onnx` is all of it: give it a picture, uint8 (height, width, 3) in RGB, upright, of any
size, as `picture`; it returns `confidences`, one of each label in `labels.json`. {confidences}
Pictures with a side above 2048 pixels are made smaller first, as `predict.py` does.

    pip install onnxruntime numpy pillow
    python predict.py picture.jpg

`card.json` says what it was trained on, how well it does, and the licence of its backbone.
"""
_NEEDS_ENGINE = """# {name}

An image classifier's head. `model.npz` is no network, and does not run alone: it takes the features of the backbone
`{backbone}`, whose digest must begin with {digest}.
To use it, run the engine. To have a model that runs with onnxruntime alone, start the engine with one network as its
backbone (ENGINE_BACKBONE), or with the built-in one, train the model again, and export that. {confidences}

`card.json` says what it was trained on and how well it does; `labels.json` has the labels.
"""


class Exporter:
    """Exports one model at a time, whoever asks: a network is held in memory while it is written."""

    def __init__(self, catalog: Catalog, place: JobPlace, backbones: ServedBackbones) -> None:
        self._catalog = catalog
        self._place = place
        self._backbones = backbones
        self._turn = anyio.CapacityLimiter(1)

    async def export_model(self, request: Request) -> Response:
        """Answers the zip of a model that has succeeded."""
        name = request.path_params["name"]
        content, size = await anyio.to_thread.run_sync(self._export, name, limiter=self._turn)
        headers = {"Content-Length": str(size), "Content-Disposition": f'attachment; filename="{name}.zip"'}
        return StreamingResponse(_pieces(content), 200, headers, "application/zip")

    def _export(self, name: str) -> tuple[IO[bytes], int]:
        """Writes the zip to a file that has no name, and goes when it is closed; returns it with its length."""
        model = self._catalog.get_model(name)
        if model.status is not Status.SUCCEEDED:
            raise NotReadyError(f"Model '{name}' is {model.status}; only a succeeded one can be exported.")
        if model.kind is ModelKind.DETECTOR:
            raise NotReadyError(
                f"Model '{name}' is a detector, and what it does with its backbone's maps is no network: it cannot be "
                "exported. Ask this engine about pictures (imageanalysis:analyze), or export a classifier.",
                code="ModelNotExportable",
            )
        members = self._members(model)
        try:
            content = self._written(members)
        except OSError as exc:
            _log.exception("The zip of model '%s' could not be written.", name)
            raise DiskRefusedError(
                f"The zip of model '{name}' could not be written ({exc.strerror}). Is ENGINE_DATA full?"
            ) from exc
        size = content.tell()
        content.seek(0)
        return content, size

    def _written(self, members: Mapping[str, bytes]) -> IO[bytes]:
        content = tempfile.TemporaryFile(dir=self._place.data)  # noqa: SIM115 - closed when it was sent
        try:
            write_zip(content, members)
        except BaseException:
            content.close()
            raise
        return content

    def _members(self, model: Model) -> dict[str, bytes]:
        """Returns the files of the zip.

        Raises:
            NotReadyError: The model's files, or its backbone, are not what they should be.
        """
        folder = self._place.model(model.name)
        try:
            manifest, classifier = read_manifest(folder), Classifier.load(classifier_path(folder))
            head = classifier_path(folder).read_bytes()
        except (ClassifierFileError, OSError, msgspec.DecodeError) as exc:
            raise NotReadyError(
                f"The files of model '{model.name}' cannot be read. Train it again.", code="ModelUnreadable"
            ) from exc
        backbone = backbone_of_model(self._backbones, model.name, classifier.backbone_digest, folder)
        found = _network(backbone, classifier)
        if found is None:
            origin, files, words = networks.Origin(), {"model.npz": head}, _NEEDS_ENGINE
        else:
            origin, network = found
            files, words = {"model.onnx": network, "predict.py": (_EXPORTED / "predict.py").read_bytes()}, _RUNS_ALONE
        return files | {
            "labels.json": _json(classifier.labels),
            "card.json": _json(_card(model, manifest, classifier, origin)),
            "README.md": _readme(words, model, manifest, classifier).encode(),
        }


def _pieces(content: IO[bytes]) -> Iterator[bytes]:
    """Reads a file to its end and closes it, also when nobody wants the rest."""
    with content:
        while piece := content.read(PIECE):
            yield piece


def write_zip(file: IO[bytes], members: Mapping[str, bytes]) -> None:
    """Writes files into a zip, sorted and undated: equal ones make equal bytes."""
    with zipfile.ZipFile(file, "w") as archive:
        for name in sorted(members):
            archive.writestr(zipfile.ZipInfo(name, _BEGINNING), members[name])


def _network(backbone: Backbone, classifier: Classifier) -> tuple[networks.Origin, bytes] | None:
    """Returns where a backbone comes from, and the ONNX network of a classifier on it; None when it is no network.

    Raises:
        NotReadyError: The backbone's files are others than when the engine started, or of no use in another network.
    """
    from engine.learn.onnx_model import onnx_classifier  # onnx is loaded only when it is needed

    dictionary = None
    match backbone:
        case BuiltinBackbone():
            source, dictionary = backbone.network, backbone.dictionary
        case NetworkBackbone():
            source = backbone
        case _:
            return None
    folder = source.folder
    try:
        manifest, origin = networks.read_manifest(folder), networks.read_origin(folder)
        network = (folder / "model.onnx").read_bytes()
    except (BackboneError, OSError) as exc:
        raise _changed(backbone) from exc
    if digest_of(manifest) != source.digest or hashlib.sha256(network).hexdigest() != manifest.sha256:
        raise _changed(backbone)
    try:
        return origin, onnx_classifier(network, manifest, classifier, dictionary=dictionary)
    except NotExportableError as exc:
        raise NotReadyError(f"The model cannot be exported: {exc}.", code="ModelNotExportable") from exc


def _changed(backbone: Backbone) -> NotReadyError:
    return NotReadyError(
        f"The files of backbone '{backbone.name}' are no longer those that the engine started with. "
        "Put them back, then export the model again.",
        code="ModelBackboneMismatch",
    )


def _card(model: Model, manifest: Manifest, classifier: Classifier, origin: networks.Origin) -> dict[str, Any]:
    return {
        "schema": CARD_SCHEMA,
        "name": model.name,
        "modelKind": model.kind,
        "annotationKind": model.annotation_kind,
        "labels": classifier.labels,
        "head": classifier.head,
        "created": model.created.isoformat(),
        "training": {
            "dataset": manifest.training_dataset,
            "pictures": manifest.pictures,
            "digest": manifest.training_digest,
        },
        "testDataset": model.test_dataset,
        "performance": manifest.performance,
        "backbone": {
            "name": manifest.backbone_name,
            "digest": manifest.backbone_digest,
            "licence": origin.licence,
            "source": origin.source,
        },
    }


def _readme(words: str, model: Model, manifest: Manifest, classifier: Classifier) -> str:
    confidences = "Each is between 0 and 1 by itself." if classifier.multilabel else "They sum to 1."
    digest = manifest.backbone_digest[:12]
    return words.format(name=model.name, backbone=manifest.backbone_name, digest=digest, confidences=confidences)


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=1) + b"\n"
