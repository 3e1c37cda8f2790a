"""Keys and secrets: made once, kept privately, compared by level."""

import json
from pathlib import Path

import pytest

from devhost.errors import ServiceError
from devhost.keys import load_keys
from devhost.settings import load_secrets, read_local_settings


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


def test_local_settings_come_before_the_sample(tmp_path: Path) -> None:
    assert read_local_settings(tmp_path) == {}
    (tmp_path / "local.settings.sample.json").write_text(json.dumps({"Values": {"A": "sample"}}))
    assert read_local_settings(tmp_path) == {"A": "sample"}
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": {"A": "mine"}}))
    assert read_local_settings(tmp_path) == {"A": "mine"}
    (tmp_path / "local.settings.json").write_text("{}")
    with pytest.raises(ServiceError, match=r"local\.settings\.json"):
        read_local_settings(tmp_path)
