import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from engine.settings import Settings as EngineSettings
from shared.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
MINIMUM = {
    "TRAINING_STORAGE": "UseDevelopmentStorage=true",
    "VISION_ENDPOINT": "http://127.0.0.1:7080",
    "VISION_KEY": "hush",
    "PREDICTION_KEYS": " a, b ,",
}
HOSTS_OWN = {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(field.alias or "", raising=False)
    for name, value in MINIMUM.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def names() -> set[str]:
    return {field.alias or "" for field in Settings.model_fields.values()}


def test_the_least_environment_is_enough(environment: pytest.MonkeyPatch) -> None:
    settings = Settings()
    assert [key.get_secret_value() for key in settings.prediction_keys] == ["a", "b"]
    assert settings.min_pictures_per_label == 5
    assert settings.eventgrid_topic_endpoint is None


def test_an_empty_value_is_an_absent_one(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("EVENTGRID_TOPIC_ENDPOINT", "")
    assert Settings().eventgrid_topic_endpoint is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MIN_LABELS", "1"),
        ("TRAINING_BUDGET_HOURS", "25"),
        ("QUIET_PERIOD", "-1"),
        ("PREDICTION_KEYS", " , "),
        ("TELEMETRY_EXPORTER", "x"),
    ],
)
def test_a_value_out_of_bounds_is_refused_and_no_secret_is_printed(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(ValidationError, match=name) as refused:
        Settings()
    assert "hush" not in str(refused.value)


def test_storage_must_be_named_in_one_of_two_ways(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("TRAINING_STORAGE")
    with pytest.raises(ValidationError, match="TRAINING_STORAGE__blobServiceUri"):
        Settings()
    environment.setenv("TRAINING_STORAGE__blobServiceUri", "https://a.blob.core.windows.net")
    environment.setenv("TRAINING_STORAGE__queueServiceUri", "https://a.queue.core.windows.net")
    assert Settings().account.queue_uri == "https://a.queue.core.windows.net"


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_the_sample_file_names_every_setting_and_no_other() -> None:
    sample = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
    managed_identity = {name for name in names() if "__" in name}
    assert set(sample) - HOSTS_OWN == names() - managed_identity


def readme_rows() -> dict[str, str]:
    rows = re.findall(r"^\| `([A-Za-z_]+)` \| ([^|]*) \|", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    return {name: default.strip().strip("`") for name, default in rows}


def test_the_readme_names_every_setting_and_no_other() -> None:
    engine = {f"ENGINE_{name.upper()}" for name in EngineSettings.model_fields} - {"ENGINE_TELEMETRY_EXPORTER"}
    assert set(readme_rows()) == names() | engine


def test_the_readme_tells_every_default() -> None:
    defaults = {field.alias or "": field for field in Settings.model_fields.values()}
    defaults |= {f"ENGINE_{name.upper()}": field for name, field in EngineSettings.model_fields.items()}
    for name, shown in readme_rows().items():
        field = defaults[name]
        assert shown == ("required" if field.is_required() else str(field.default or "none")), name
