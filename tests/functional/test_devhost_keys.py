"""Keys and secrets: made once, kept privately, compared by level."""

import json
from pathlib import Path

import pytest

from devhost.azurite import StoragePorts
from devhost.errors import ServiceError
from devhost.keys import load_keys
from devhost.settings import engine_settings, host_settings, load_secrets, read_local_settings


def test_keys_are_made_once_and_only_the_owner_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    first = load_keys(path, ["predict"])
    assert load_keys(path, ["predict"]) == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert len({first.master, first.host, *first.functions.values(), *first.extensions.values()}) == 5


def test_a_new_function_gets_a_key_and_the_others_keep_theirs(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    before = load_keys(path, ["one"])
    after = load_keys(path, ["one", "two"])
    assert after.functions["one"] == before.functions["one"]
    assert set(after.functions) == {"one", "two"}


def test_each_key_opens_what_it_is_for(tmp_path: Path) -> None:
    keys = load_keys(tmp_path / "keys.json", ["one", "two"])
    assert keys.admits("anonymous", "one", None)
    for key in (keys.functions["one"], keys.host, keys.master):
        assert keys.admits("function", "one", key)
    for key in (keys.functions["two"], keys.extensions["blobs_extension"], "", None, "wrong", "ä"):
        assert not keys.admits("function", "one", key)
    assert keys.admits("admin", "one", keys.master)
    assert not keys.admits("admin", "one", keys.host)
    assert keys.admits_delivery("blobs_extension", keys.extensions["blobs_extension"])
    assert not keys.admits_delivery("blobs_extension", keys.extensions["eventgrid_extension"])


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_a_broken_key_file_is_named_with_the_remedy(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(ServiceError, match=r"keys\.json.*delete it"):
        load_keys(path)


def test_secrets_are_made_once(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    assert load_secrets(path) == load_secrets(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_each_process_gets_its_own_settings_and_the_callers_come_first(tmp_path: Path) -> None:
    secrets, storage = load_secrets(tmp_path / "secrets.json"), StoragePorts()
    overrides = {"ENGINE_BACKBONE": "b", "QUIET_PERIOD": "2", "VISION_KEY": "mine"}
    (tmp_path / "local.settings.sample.json").write_text(json.dumps({"Values": {"QUIET_PERIOD": "60", "A": "sample"}}))
    host = host_settings(tmp_path, storage=storage, engine_url="http://e", secrets_=secrets, overrides=overrides)
    engine = engine_settings(tmp_path, storage=storage, secrets_=secrets, overrides=overrides)
    assert (host["QUIET_PERIOD"], host["VISION_KEY"], host["A"], host["VISION_ENDPOINT"]) == (
        "2",
        "mine",
        "sample",
        "http://e",
    )
    assert host["AzureWebJobsStorage"] == host["TRAINING_STORAGE"] == storage.connection_string
    assert engine["ENGINE_BACKBONE"] == "b"
    assert engine["ENGINE_ALLOWED_HOSTS"] == "127.0.0.1:10000"
    assert secrets.engine_secret not in host.values()
    assert all(name.startswith("ENGINE_") for name in engine)


def test_hosts_that_the_caller_adds_stand_beside_the_storage(tmp_path: Path) -> None:
    secrets, overrides = load_secrets(tmp_path / "secrets.json"), {"ENGINE_ALLOWED_HOSTS": "pictures.example.org"}
    engine = engine_settings(tmp_path, storage=StoragePorts(), secrets_=secrets, overrides=overrides)
    assert engine["ENGINE_ALLOWED_HOSTS"] == "127.0.0.1:10000,pictures.example.org"


def test_local_settings_come_before_the_sample(tmp_path: Path) -> None:
    assert read_local_settings(tmp_path) == {}
    (tmp_path / "local.settings.sample.json").write_text(json.dumps({"Values": {"A": "sample"}}))
    assert read_local_settings(tmp_path) == {"A": "sample"}
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": {"A": "mine"}}))
    assert read_local_settings(tmp_path) == {"A": "mine"}
    (tmp_path / "local.settings.json").write_text("{}")
    with pytest.raises(ServiceError, match=r"local\.settings\.json"):
        read_local_settings(tmp_path)
