"""The function app's settings: one frozen class, read once, at the first call (design §2)."""

from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.storage.azure import Account


class Settings(BaseSettings):
    """Every setting of the function app. Unknown environment variables are none of ours."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, populate_by_name=True, env_ignore_empty=True
    )

    training_storage: SecretStr | None = Field(
        None, alias="TRAINING_STORAGE", description="connection string of the account that holds pictures and registry"
    )
    training_blob_uri: str | None = Field(
        None,
        alias="TRAINING_STORAGE__blobServiceUri",
        description="instead of a connection string: blob endpoint, reached by managed identity",
    )
    training_queue_uri: str | None = Field(
        None,
        alias="TRAINING_STORAGE__queueServiceUri",
        description="instead of a connection string: queue endpoint, reached by managed identity",
    )
    training_client_id: str | None = Field(
        None, alias="TRAINING_STORAGE__clientId", description="client id of a user-assigned managed identity"
    )
    training_container: str = Field(
        "training", alias="TRAINING_CONTAINER", description="container people drop pictures into"
    )
    registry_container: str = Field(
        "registry", alias="REGISTRY_CONTAINER", description="container of versions and promotions"
    )
    vision_endpoint: str = Field(alias="VISION_ENDPOINT", description="URL of the engine, without a path")
    vision_key: SecretStr = Field(alias="VISION_KEY", description="key of the engine")
    prediction_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        alias="PREDICTION_KEYS", description="keys that callers of `predict` may use, comma-separated", min_length=1
    )
    default_dataset: str | None = Field(
        None,
        alias="DEFAULT_DATASET",
        description="the dataset of prediction calls that name none, when there are several",
    )
    fold_schedule: str = Field("0 * * * * *", alias="FOLD_SCHEDULE", description="NCRONTAB of `fold_changes`")
    start_training_schedule: str = Field(
        "30 * * * * *", alias="START_TRAINING_SCHEDULE", description="NCRONTAB of `start_training`"
    )
    poll_training_schedule: str = Field(
        "*/15 * * * * *", alias="POLL_TRAINING_SCHEDULE", description="NCRONTAB of `poll_training`"
    )
    reconcile_schedule: str = Field("0 0 * * * *", alias="RECONCILE_SCHEDULE", description="NCRONTAB of `reconcile`")
    min_pictures_per_label: int = Field(
        5, alias="MIN_PICTURES_PER_LABEL", ge=2, description="pictures a label needs to be trained"
    )
    min_labels: int = Field(2, alias="MIN_LABELS", ge=2, description="labels that must meet it before training starts")
    min_new_pictures: int = Field(
        1,
        alias="MIN_NEW_PICTURES",
        ge=1,
        description="pictures added, replaced, relabelled or removed since the last version, before another is trained",
    )
    quiet_period: int = Field(
        60, alias="QUIET_PERIOD", ge=0, le=604_800, description="seconds without a change before training starts"
    )
    cool_down: int = Field(
        300,
        alias="COOL_DOWN",
        ge=0,
        le=604_800,
        description="seconds between the end of one training and the start of the next",
    )
    training_budget_hours: int = Field(
        1, alias="TRAINING_BUDGET_HOURS", ge=1, le=24, description="compute hours a training may take at most"
    )
    eventgrid_topic_endpoint: str | None = Field(
        None, alias="EVENTGRID_TOPIC_ENDPOINT", description="Event Grid topic that hears of promotions; absent: none"
    )
    eventgrid_topic_key: SecretStr | None = Field(None, alias="EVENTGRID_TOPIC_KEY", description="key of that topic")
    telemetry_exporter: Literal["none", "console", "otlp"] = Field(
        "none",
        alias="TELEMETRY_EXPORTER",
        description="where spans go; `otlp` reads the standard OTEL_EXPORTER_OTLP_* variables",
    )

    @field_validator("prediction_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(SecretStr(key.strip()) for key in value.split(",") if key.strip())
        return value

    @model_validator(mode="after")
    def _storage_is_named(self) -> Self:
        if self.training_storage is None and not (self.training_blob_uri and self.training_queue_uri):
            raise ValueError(
                "set TRAINING_STORAGE, or both TRAINING_STORAGE__blobServiceUri and TRAINING_STORAGE__queueServiceUri"
            )
        return self

    @property
    def account(self) -> Account:
        """How to reach the training storage account."""
        secret = self.training_storage
        return Account(
            secret.get_secret_value() if secret else None,
            self.training_blob_uri,
            self.training_queue_uri,
            self.training_client_id,
        )
