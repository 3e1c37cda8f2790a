"""The optional ``dataset.json`` by which people declare a dataset's kind and override the policy (design §2)."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared import layout
from shared.errors import BlobNotFoundError, BlobTooLargeError, InvalidRequestError
from shared.kinds import Kind
from shared.policy import Rules
from shared.storage import BlobContainer


class PolicyOverrides(BaseModel):
    """Thresholds of one dataset; what is absent keeps the setting's value. Times are in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_pictures_per_label: int | None = Field(default=None, ge=2)
    min_labels: int | None = Field(default=None, ge=2)
    min_new_pictures: int | None = Field(default=None, ge=1)
    quiet_period: int | None = Field(default=None, ge=0, le=604_800)
    cool_down: int | None = Field(default=None, ge=0, le=604_800)


class DatasetConfig(BaseModel):
    """The file as a whole; without `kind` it is inferred (see `kinds`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind | None = None
    policy: PolicyOverrides = PolicyOverrides()

    def rules(self, defaults: Rules) -> Rules:
        """Return the rules that hold for this dataset."""
        own = self.policy

        def seconds(value: int | None, default: timedelta) -> timedelta:
            return default if value is None else timedelta(seconds=value)

        return Rules(
            min_pictures_per_label=own.min_pictures_per_label or defaults.min_pictures_per_label,
            min_labels=own.min_labels or defaults.min_labels,
            min_new_pictures=own.min_new_pictures or defaults.min_new_pictures,
            quiet_period=seconds(own.quiet_period, defaults.quiet_period),
            cool_down=seconds(own.cool_down, defaults.cool_down),
        )


def read_config(training: BlobContainer, dataset: str) -> DatasetConfig:
    """Read a dataset's configuration; the defaults when it has none.

    Raises:
        InvalidRequestError: The file is not valid; the message names the field.
    """
    path = layout.dataset_config(dataset)
    try:
        return DatasetConfig.model_validate_json(training.read(path, max_bytes=1_000_000).data)
    except BlobNotFoundError:
        return DatasetConfig()
    except BlobTooLargeError as error:
        raise InvalidRequestError(f"'{path}' is no configuration: {error}. Correct it and upload it again.") from error
    except ValidationError as error:
        wrong = "; ".join(_told(found["loc"], found["msg"]) for found in error.errors(include_url=False))
        raise InvalidRequestError(f"'{path}' is not valid: {wrong}. Correct it and upload it again.") from error


def _told(place: tuple[int | str, ...], message: str) -> str:
    where = ".".join(str(part) for part in place) or "the file"
    if not message.startswith("Extra inputs"):
        return f"{where}: {message}"
    known = PolicyOverrides.model_fields if place[0] == "policy" else DatasetConfig.model_fields
    return f"{where} is no setting (known: {', '.join(known)})"
