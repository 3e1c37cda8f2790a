"""Where things lie in storage and what they are called (design §2); every path is made and taken apart here."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

DATASET_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
VERSION_NAME: Final = re.compile(
    r"(?P<dataset>[a-z0-9][a-z0-9-]{0,62})\.(?P<digest>[0-9a-f]{12})\.(?P<attempt>[1-9][0-9]*)"
)
SIDE_CAR_SUFFIXES: Final = (".xml", ".txt", ".json")
CLASS_LISTS: Final = ("classes.txt", "obj.names", "data.yaml", "data.yml")


@dataclass(frozen=True, slots=True)
class PicturePath:
    """A path under ``{dataset}/images/``.

    Attributes:
        path: The blob's whole path in the training container.
        dataset: A valid dataset name.
        label: The label that the folder gives (NFC, trimmed), or None for a picture that lies in no folder.
    """

    path: str
    dataset: str
    label: str | None


@dataclass(frozen=True, slots=True)
class MisplacedPath:
    """A path that no dataset can own, and why."""

    path: str
    reason: str


def is_dataset_name(name: str) -> bool:
    """Tell whether a name may be a dataset's."""
    return DATASET_NAME.fullmatch(name) is not None


def parse_picture_path(path: str) -> PicturePath | MisplacedPath:
    """Take a blob path of the training container apart: ``{dataset}/images/{label}/{anything}``.

    The host's ``{dataset}`` pattern is greedy, so the path is parsed here and not by the binding.
    """
    dataset, slash, rest = path.partition("/")
    if not slash:
        return MisplacedPath(
            path, "lies in no folder. Pictures belong under '{dataset}/images/', where {dataset} is a name you choose."
        )
    if not is_dataset_name(dataset):
        return MisplacedPath(
            path,
            f"'{dataset}' is not a dataset name. Use lower-case letters, digits and '-', at most 63 characters, "
            "and begin with a letter or a digit.",
        )
    images, _, name = rest.partition("/")
    if images.lower() == "annotations":
        return MisplacedPath(
            path,
            f"only COCO files (.json) and lists of classes are read in '{dataset}/annotations/'. "
            "Put side-cars beside their pictures.",
        )
    if images != "images" or not name:
        return MisplacedPath(path, f"pictures of dataset '{dataset}' belong under '{dataset}/images/'")
    folder, slash, _ = name.partition("/")
    return PicturePath(path, dataset, normalise_label(folder) if slash else None)


def normalise_label(label: str) -> str:
    """Return a label as it is known everywhere inside: Unicode NFC, trimmed, case kept."""
    return unicodedata.normalize("NFC", label).strip()


def dataset_config(dataset: str) -> str:
    """Return the path of the optional file by which people configure a dataset."""
    return f"{dataset}/dataset.json"


def live_file(dataset: str) -> str:
    """Return the path of the live COCO file."""
    return f"{dataset}/coco/live.json"


def snapshot_file(dataset: str, digest: str, side: str) -> str:
    """Return the path of one side (``train`` or ``test``) of a snapshot."""
    return f"{dataset}/coco/{digest}/{side}.json"


def version_name(dataset: str, digest: str, attempt: int) -> str:
    """Return a version's name. A dot cannot occur in a dataset's name, so the two never collide."""
    return f"{dataset}.{digest}.{attempt}"


def dataset_of_version(name: str) -> str | None:
    """Return the dataset of a version's name, or None when the name is not a version's."""
    match = VERSION_NAME.fullmatch(name)
    return match["dataset"] if match else None


def engine_dataset(dataset: str, digest: str, side: str) -> str:
    """Return the name under which the engine knows one side of a snapshot."""
    return f"{dataset}.{digest}.{side}"


def is_no_upload(path: str) -> bool:
    """Tell whether a path of a dataset is ours, or a file that people put beside the pictures (design §2)."""
    dataset, _, rest = path.partition("/")
    is_ours = rest == "dataset.json" or rest.startswith("coco/")
    return (is_dataset_name(dataset) and is_ours) or is_import(path)


def is_class_list(path: str) -> bool:
    """Tell from its name whether a file lists the names of classes."""
    return path.rpartition("/")[2].lower() in CLASS_LISTS


def is_import(path: str) -> bool:
    """Tell whether a path is a file to import: COCO or a list of classes, in the ``annotations/`` folder of a dataset.

    Other files lie there too: Pascal VOC's own folder for side-cars has that name.
    """
    dataset, _, rest = path.partition("/")
    is_read = path.lower().endswith(".json") or is_class_list(path)
    return is_dataset_name(dataset) and rest.startswith("annotations/") and is_read


def path_of_subject(subject: str, container: str) -> str | None:
    """Return the blob path in an Event Grid subject, ``/blobServices/default/containers/{container}/blobs/{path}``.

    None when the blob is in another container, or lies where no picture can.
    """
    prefix = f"/blobServices/default/containers/{container}/blobs/"
    path = subject.removeprefix(prefix)
    is_ours = "/images/" in path or "/annotations/" in path
    return path if subject.startswith(prefix) and is_ours else None
