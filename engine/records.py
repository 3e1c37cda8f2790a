"""What the engine remembers: data sets, models, evaluations, as frozen values."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct


class AnnotationKind(StrEnum):
    """What a data set's annotations are (contract §2.1)."""

    CLASSIFICATION = "imageClassification"
    MULTILABEL = "imageMultilabelClassification"  # our extension: any number of labels a picture
    DETECTION = "imageObjectDetection"


class AuthenticationKind(StrEnum):
    """How the engine reads a data set's URLs; `managedIdentity` means anonymously here (contract §6, trap 1)."""

    NONE = "none"
    MANAGED_IDENTITY = "managedIdentity"
    SAS = "sas"


class ModelKind(StrEnum):
    """What a model predicts (contract §2.2)."""

    CLASSIFIER = "Generic-Classifier"
    DETECTOR = "Generic-Detector"
    PRODUCT_RECOGNIZER = "Product-Recognizer"


# What is trained from data of a kind. A multi-label model keeps the classifier's name, an enum of the official client.
MODEL_KINDS = {
    AnnotationKind.CLASSIFICATION: ModelKind.CLASSIFIER,
    AnnotationKind.MULTILABEL: ModelKind.CLASSIFIER,
    AnnotationKind.DETECTION: ModelKind.DETECTOR,
}
MAX_BUDGET_HOURS = {ModelKind.CLASSIFIER: 336, ModelKind.DETECTOR: 1344}  # contract §2.2


class Status(StrEnum):
    """The states of models and evaluations, as on the wire (contract §2.5)."""

    NOT_STARTED = "notStarted"
    TRAINING = "training"  # models only
    RUNNING = "running"  # evaluations only
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLING = "cancelling"  # models only
    CANCELLED = "cancelled"  # models only


FINISHED = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})


class Finding(Struct, frozen=True):
    """One thing that is wrong with a data set: what, and where (`target`: a file or URL, and the record in it)."""

    code: str
    message: str
    target: str


class Failure(Struct, frozen=True):
    """Why a job failed. Nothing but these keys, and `target`, may reach a client (contract §6, trap 4)."""

    code: str
    message: str
    details: tuple[Finding, ...] = ()


class Dataset(Struct, frozen=True, kw_only=True):
    """A registered data set: where its annotations lie, never its data."""

    id: int = 0  # given by the store
    name: str
    annotation_kind: AnnotationKind
    annotation_file_uris: tuple[str, ...]
    authentication: AuthenticationKind
    sealed_sas: bytes | None
    custom_properties: dict[str, str] | None
    created: datetime
    updated: datetime
    revision: int = 1

    @property
    def etag(self) -> str:
        """The revision as the contract's eTag, quotes included."""
        return f'"{self.revision}"'


class Model(Struct, frozen=True, kw_only=True):
    """A model and its training job."""

    id: int = 0  # given by the store; tells two models apart that had the same name one after the other
    name: str
    kind: ModelKind
    annotation_kind: AnnotationKind = AnnotationKind.CLASSIFICATION  # of the data it is trained on
    training_dataset: str
    test_dataset: str | None
    budget_hours: int
    created: datetime
    updated: datetime
    status: Status = Status.NOT_STARTED
    cost_minutes: int | None = None
    performance: dict[str, Any] | None = None
    error: Failure | None = None
    traceparent: str | None = None
    crashes: int = 0  # how often the job process was killed under us
    spent_seconds: float = 0.0  # compute that earlier attempts used


class Evaluation(Struct, frozen=True, kw_only=True):
    """An evaluation of a model on a test data set, and its job."""

    id: int = 0  # given by the store
    name: str
    model_name: str
    test_dataset: str
    created: datetime
    updated: datetime
    status: Status = Status.NOT_STARTED
    performance: dict[str, Any] | None = None
    error: Failure | None = None
    traceparent: str | None = None
    crashes: int = 0
