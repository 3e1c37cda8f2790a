"""The engine's settings: one frozen class, read from the environment when the engine starts."""

import hmac
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from engine.access import AllowedHosts, HostMap
from engine.errors import StartError


class Settings(BaseSettings):
    """Read from `ENGINE_*` (and `TELEMETRY_EXPORTER`); no value is ever shown in an error."""

    model_config = SettingsConfigDict(env_prefix="ENGINE_", frozen=True, hide_input_in_errors=True, extra="ignore")

    keys: SecretStr = Field(description="One or more keys, comma-separated, that callers may send.")
    data: Annotated[Path, AfterValidator(Path.absolute)] = Field(
        description="Folder that holds everything the engine keeps; one engine per folder."
    )
    secret: SecretStr = Field(
        min_length=16, description="Key material, 16 characters or more, that seals SAS tokens at rest."
    )
    backbone: str | None = Field(
        default=None,
        description="Folder with META.json and model.onnx, or several joined with `+`; empty for the built-in one.",
    )
    backbones_served: str = Field(
        default="",
        description="Comma-separated further backbones, each as in ENGINE_BACKBONE, of models that were trained with "
        "them; empty for none. What is built in is always there.",
    )
    allowed_hosts: str = Field(
        default="",
        description="Comma-separated `host`, `host:port` or `*.suffix` from which URLs may be read; empty for none. "
        "A host that is named in full may have a private address.",
    )
    host_map: str = Field(
        default="",
        description="Comma-separated `host=URL`: URLs of a retired host are read from below that URL instead, path and "
        "query kept; empty for none. The URL's own host must be allowed.",
    )
    workers: int = Field(default=1, ge=1, le=64, description="Job processes at once.")
    model_memory: int = Field(
        default=512,
        ge=1,
        le=1_048_576,
        description="MiB that loaded models may take together; those not asked for the longest go first.",
    )
    telemetry_exporter: Literal["none", "console", "otlp"] = Field(
        default="none", validation_alias="TELEMETRY_EXPORTER", description="Where OpenTelemetry spans go."
    )

    @field_validator("keys")
    @classmethod
    def _has_a_key(cls, value: SecretStr) -> SecretStr:
        if not _split(value.get_secret_value()):
            raise ValueError("at least one key is needed")
        return value

    @field_validator("backbone", mode="before")
    @classmethod
    def _backbone_is_text(cls, value: object) -> object:
        return (str(value) or None) if isinstance(value, str | Path) else value

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts_are_readable(cls, value: str) -> str:
        AllowedHosts.parse(value)
        return value

    @field_validator("host_map")
    @classmethod
    def _map_is_readable(cls, value: str) -> str:
        HostMap.parse(value)
        return value

    @property
    def further_backbones(self) -> tuple[str, ...]:
        """The backbones of ENGINE_BACKBONES_SERVED, one by one."""
        return tuple(_split(self.backbones_served))

    def accepts(self, key: str) -> bool:
        """Says whether `key` is one of ours, in time that depends on no key's content."""
        given = key.encode()
        matches = [hmac.compare_digest(given, known.encode()) for known in _split(self.keys.get_secret_value())]
        return any(matches)


def read_settings() -> Settings:
    """Reads the settings from the environment.

    Raises:
        StartError: A setting is missing or out of bounds; names it, never its value.
    """
    try:
        return Settings()
    except ValidationError as exc:
        problems = "; ".join(f"{_variable(str(error['loc'][0]))}: {error['msg']}" for error in exc.errors())
        raise StartError(f"The settings are not complete. {problems}") from None


def _variable(field: str) -> str:
    return field if field.isupper() else f"ENGINE_{field.upper()}"


def _split(text: str) -> list[str]:
    return [part for part in (piece.strip() for piece in text.split(",")) if part]
