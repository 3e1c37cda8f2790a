"""Azurite's access log: which lines tell of a written or deleted blob."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhost.accesslog import Change, Hint, LogTail, parse_line

UNCLEAR = Hint(Change.UNCLEAR)


def line(method: str, target: str, status: int) -> str:
    return f'127.0.0.1 - - [23/Nov/2026:11:32:21 +0000] "{method} /devstoreaccount1{target} HTTP/1.1" {status} -'


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (line("PUT", "/training/a%20b/im%C3%A4ges/x0.bin", 201), Hint(Change.WRITTEN, "training/a b/imäges/x0.bin")),
        (line("PUT", "/training/x?comp=blocklist&sv=1&sig=s", 201), Hint(Change.WRITTEN, "training/x")),
        (line("PUT", "/training/copy", 202), Hint(Change.WRITTEN, "training/copy")),
        (line("DELETE", "/training/a/x.png", 202), Hint(Change.DELETED, "training/a/x.png")),
        (line("PUT", "/training/x?comp=block&blockid=YQ%3D%3D", 201), None),
        (line("PUT", "/training/x?comp=metadata", 200), None),
        (line("PUT", "/training/x?comp=lease", 201), None),
        (line("PUT", "/training/x?comp=tier", 200), None),
        (line("PUT", "/training/x?comp=copy&copyid=1", 204), None),
        (line("PUT", "/training/x", 412), None),
        (line("DELETE", "/training/x", 404), None),
        (line("DELETE", "/training/x?snapshot=2026-11-23T11:32:21.0000000Z", 202), None),
        (line("HEAD", "/training/x", 200), None),
        (line("GET", "/training?restype=container&comp=list", 200), None),
        (line("PUT", "/training?restype=container", 201), None),
        (line("PUT", "/training?restype=container&comp=lease", 201), None),
        (line("DELETE", "/training?restype=container", 202), UNCLEAR),
        (line("POST", "/?comp=batch", 202), UNCLEAR),
        (line("POST", "/changes/messages", 201), None),
        (line("PUT", "/training/%FF%FE", 201), UNCLEAR),
        ("Azurite Blob service is successfully listening at http://127.0.0.1:10000", UNCLEAR),
        ("Azurite Queue service is starting at http://127.0.0.1:10001", None),
        ("", None),
    ],
)
def test_a_line_tells_what_changed(text: str, hint: Hint | None):
    assert parse_line(text) == hint


@given(st.text())
def test_no_line_is_too_strange(text: str):
    parse_line(text)
    parse_line(line("PUT", text, 201))


def test_the_tail_starts_at_the_end_and_gives_whole_lines_only(tmp_path: Path):
    path = tmp_path / "log"
    path.write_text("old\n")
    tail = LogTail(path)
    with path.open("a") as log:
        log.write("one\ntw")
        log.flush()
        assert tail.read() == (["one"], False)
        log.write("o\n")
        log.flush()
        assert tail.read() == (["two"], False)
        assert tail.read() == ([], False)


def test_the_tail_waits_for_a_log_that_does_not_exist_yet(tmp_path: Path):
    tail = LogTail(tmp_path / "log")
    assert tail.read() == ([], False)
    (tmp_path / "log").write_text("first\n")
    assert tail.read() == (["first"], False)


def test_the_tail_keeps_the_log_short_and_says_that_lines_may_be_lost(tmp_path: Path):
    path = tmp_path / "log"
    tail = LogTail(path, limit=100)
    with path.open("a") as log:
        log.write("x" * 150 + "\n")
        log.flush()
        assert tail.read() == (["x" * 150], True)
        assert path.stat().st_size == 0
        log.write("after\n")
        log.flush()
        assert tail.read() == (["after"], False)


def test_the_tail_says_so_when_someone_else_emptied_the_log(tmp_path: Path):
    path = tmp_path / "log"
    path.write_text("a long line that was read\n")
    tail = LogTail(path)
    path.write_text("new\n")
    assert tail.read() == (["new"], True)
