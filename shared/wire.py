"""Bodies of the contract as pydantic models: what the engine answers, and what callers are answered."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

# The preview whose contract is spoken to the engine (contract §1).
API_VERSION = "2023-04-01-preview"
PREDICTION_API_VERSIONS = frozenset({"2023-02-01-preview", "2023-04-01-preview", "2023-10-01", "2024-02-01"})


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class InnerError(_Body):
    """The more specific cause of an error."""

    code: str
    message: str = ""


class ErrorDetails(_Body):
    """An error of a request or a job (contract §5)."""

    code: str = "unknown"
    message: str = ""
    innererror: InnerError | None = None


class ErrorBody(_Body):
    """The body of every error response."""

    error: ErrorDetails


class ModelPerformance(_Body):
    """What is read of the figures of contract §2.3, each 0…1."""

    accuracy_top1: float | None = Field(None, alias="accuracyTop1")
    average_precision: float | None = None
    mean_average_precision50: float | None = None


class Model(_Body):
    """A model at the engine (contract §2.2)."""

    name: str
    status: Literal["notStarted", "training", "succeeded", "failed", "cancelling", "cancelled"]
    error: ErrorDetails | None = None
    model_performance: ModelPerformance | None = None


class Evaluation(_Body):
    """An evaluation of a model (contract §2.4)."""

    name: str
    status: Literal["notStarted", "running", "succeeded", "failed"]
    error: ErrorDetails | None = None
    model_performance: ModelPerformance | None = None
