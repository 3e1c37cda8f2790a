"""META.json's words on where a backbone comes from."""

from pathlib import Path

import pytest

from engine.learn.errors import BackboneError
from engine.learn.manifest import Origin, read_manifest, read_origin
from engine.learn.network import digest_of
from tests.learn_support import write_network


def test_where_a_backbone_comes_from_is_read_and_no_part_of_its_digest(tmp_path: Path) -> None:
    plain, named = tmp_path / "plain", tmp_path / "named"
    write_network(plain)
    write_network(named, licence="Apache-2.0", source="example.org")
    assert read_origin(plain) == Origin()
    assert read_origin(named) == Origin("Apache-2.0", "example.org")
    assert digest_of(read_manifest(plain)) == digest_of(read_manifest(named))


def test_a_licence_that_is_no_text_is_refused_with_the_file_that_has_it(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"META\.json is no manifest .*licence"):
        read_origin(write_network(tmp_path, licence=7))
