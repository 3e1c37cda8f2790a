"""SECURITY.md promises; each promise names the test that would fail."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "SECURITY.md").read_text()
TABLE = TEXT.partition("<!-- threats -->")[2].partition("<!-- /threats -->")[0]
ROWS = TABLE.strip().splitlines()[2:]


@pytest.mark.parametrize("row", ROWS)
def test_each_threat_has_a_defence_and_a_test_that_exists(row: str) -> None:
    threat, defence, tests = (cell.strip() for cell in row.strip("|").split("|"))
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", tests)
    assert threat
    assert defence
    assert named
    for path, test in named:
        assert re.search(rf"^(async )?def {test}\(", (ROOT / path).read_text(), re.MULTILINE), f"{path} has no {test}"


def test_the_page_is_short_enough_to_be_read() -> None:
    assert len(ROWS) > 20
    assert len(TEXT.splitlines()) <= 150
