"""What the engine and a job process say to each other: one request in, JSON lines out.

The request travels through the child's standard input, not through arguments or environment: it carries a SAS.
"""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from engine.records import AnnotationKind, Finding


class DatasetSource(Struct, frozen=True):
    """A data set as a job sees it."""

    name: str
    kind: AnnotationKind
    annotation_file_uris: tuple[str, ...]
    sas: str | None


class TrainRequest(Struct, frozen=True, tag="train"):
    """Train a model and leave it in `output`."""

    training: DatasetSource
    test: DatasetSource | None
    output: str


class EvaluateRequest(Struct, frozen=True, tag="evaluate"):
    """Measure the model in the folder `model`, and leave what it said in `output`."""

    test: DatasetSource
    model_name: str
    model: str
    output: str


class JobRequest(Struct, frozen=True):
    """All that a job process needs; it reads no settings of its own."""

    task: TrainRequest | EvaluateRequest
    lock: str
    scratch: str
    features: str
    backbone: str | None
    allowed_hosts: str
    host_map: str = ""
    backbones_served: tuple[str, ...] = ()


class Progress(Struct, frozen=True, tag="progress"):
    """A stage goes on.

    Attributes:
        stage: Its name, verb first. The stages of a job follow one another; none comes back.
        share: How much of this stage is done, 0 to 1; it never falls. Nothing is said of the stages to come.
        made: How many pictures it has embedded, when it embeds; those whose features were kept do not count.
        to_make: Of how many.
    """

    stage: str
    share: float
    made: int = 0
    to_make: int = 0


class Done(Struct, frozen=True, tag="done"):
    """The last line of a job that has a result."""

    performance: dict[str, Any]


class Failed(Struct, frozen=True, tag="failed"):
    """The last line of a job that cannot have one."""

    code: str
    message: str
    details: tuple[Finding, ...] = ()


type JobLine = Progress | Done | Failed
type Report = Callable[[Progress], None]
