from pathlib import Path

import pytest

from engine.errors import SealError, StartError
from engine.sealing import Sealer
from engine.settings import read_settings

COMPLETE = {"ENGINE_KEYS": "one, two", "ENGINE_DATA": "data", "ENGINE_SECRET": "0123456789abcdef"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (
        "ENGINE_KEYS",
        "ENGINE_DATA",
        "ENGINE_SECRET",
        "ENGINE_BACKBONE",
        "ENGINE_BACKBONES_SERVED",
        "ENGINE_ALLOWED_HOSTS",
        "ENGINE_HOST_MAP",
        "ENGINE_WORKERS",
        "ENGINE_MODEL_MEMORY",
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_settings_come_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ENGINE_BACKBONE", "")
    environment.setenv("TELEMETRY_EXPORTER", "console")
    settings = read_settings()
    assert (settings.data, settings.backbone, settings.workers) == (Path.cwd() / "data", None, 1)
    assert settings.telemetry_exporter == "console"


@pytest.mark.parametrize(
    ("key", "known"), [("one", True), ("two", True), ("", False), ("one,", False), ("three", False), ("é", False)]
)
def test_each_key_is_accepted_and_no_other(key: str, known: bool) -> None:
    assert read_settings().accepts(key) is known


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENGINE_KEYS", " , "),
        ("ENGINE_SECRET", "short-secret"),
        ("ENGINE_WORKERS", "0"),
        ("ENGINE_MODEL_MEMORY", "0"),
        ("ENGINE_ALLOWED_HOSTS", "http://a/b"),
        ("ENGINE_HOST_MAP", "http://a/b"),
        ("TELEMETRY_EXPORTER", "paper"),
    ],
)
def test_a_wrong_setting_is_named_and_no_secret_shown(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(name, value)
    with pytest.raises(StartError, match=name) as caught:
        read_settings()
    for secret in (COMPLETE["ENGINE_SECRET"], "short-secret"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize("name", sorted(COMPLETE))
def test_a_missing_setting_is_named(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(name)
    with pytest.raises(StartError, match=name) as caught:
        read_settings()
    assert COMPLETE["ENGINE_SECRET"] not in str(caught.value)


def test_settings_show_no_secret() -> None:
    text = repr(read_settings())
    assert COMPLETE["ENGINE_KEYS"] not in text
    assert COMPLETE["ENGINE_SECRET"] not in text


def test_a_sealed_text_opens_with_its_secret_and_context_only() -> None:
    sealer = Sealer("secret-a")
    sealed = sealer.seal("sv=1&sig=x", "parts")
    assert b"sig" not in sealed
    assert sealed != sealer.seal("sv=1&sig=x", "parts")
    assert Sealer("secret-a").open(sealed, "parts") == "sv=1&sig=x"
    for other, context, content in (
        ("secret-b", "parts", sealed),
        ("secret-a", "nuts", sealed),
        ("secret-a", "parts", b"x" * 40),
    ):
        with pytest.raises(SealError, match=context):
            Sealer(other).open(content, context)
