"""Reading URLs from a real server on loopback; names resolve through a stand-in, so that no test asks a DNS."""

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.access import ANONYMOUS, Access, AllowedHosts, shown
from engine.errors import (
    ChangedError,
    FetchError,
    ForbiddenError,
    MissingError,
    RefusedUrlError,
    TooLargeError,
    UnreachableError,
)
from engine.fetch import ATTEMPTS, LONGEST_WAIT, Fetcher
from tests.engine_support import PictureStore, etag_of

NAMES = {
    "public.example": ["93.184.216.34"],
    "inside.example": ["10.0.0.7"],
    "both.example": ["93.184.216.34", "127.0.0.1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "six.example": ["fe80::1%eth0"],
    "store.example": ["127.0.0.1"],
    "twice.example": ["127.0.0.2", "127.0.0.1"],
}


def resolve(host: str, port: int) -> list[str]:
    if host in NAMES:
        return NAMES[host]
    if host[:1].isdigit() or ":" in host:
        return [host]
    raise socket.gaierror(f"unknown in this test: {host}")


@pytest.fixture
def store() -> Iterator[PictureStore]:
    with PictureStore() as pictures:
        yield pictures


class Reader:
    """A Fetcher that notes how long it would have waited."""

    def __init__(self, allowed: str) -> None:
        self.waits: list[float] = []
        self.fetcher = Fetcher(AllowedHosts.parse(allowed), resolve=resolve, sleep=self.waits.append)

    def read(self, url: str, *, limit: int = 1_000, access: Access = ANONYMOUS, etag: str | None = None) -> bytes:
        try:
            return self.fetcher.read(url, limit=limit, access=access, etag=etag)
        finally:
            self.fetcher.close()


@pytest.mark.parametrize("allowed", ["127.0.0.1", "{host}", "other, {host}"])
def test_a_named_host_is_read_though_it_is_private(store: PictureStore, allowed: str) -> None:
    store.put("a/b.jpg", b"bytes")
    assert Reader(allowed.format(host=store.host)).read(store.url("a/b.jpg")) == b"bytes"


def test_a_host_is_read_by_name_at_the_first_address_that_answers(store: PictureStore) -> None:
    store.put("a", b"bytes")
    url = store.url("a").replace("127.0.0.1", "twice.example")
    assert Reader("twice.example").read(url) == b"bytes"
    assert store.requests[0][1]["Host"].startswith("twice.example:")


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("", "http://127.0.0.1/a"),
        ("", "http://public.example/a"),
        ("127.0.0.1:81", "http://127.0.0.1/a"),
        ("public.example", "http://inside.example/a"),
        ("public.example", "http://public.example.evil.example/a"),
        ("public.example", "http://public.example@inside.example/a"),
        ("*.example", "http://inside.example/a"),
        ("*.example", "http://both.example/a"),
        ("*.example", "http://mapped.example/a"),
        ("*.example", "http://metadata.example/a"),
        ("*.example", "http://six.example/a"),
        ("*.public.example", "http://public.example/a"),
        ("*", "http://127.0.0.1/a"),
        ("*", "http://[::1]/a"),
        ("*", "http://0.0.0.0/a"),
        ("*", "http://[64:ff9b:1::1]/a"),
        ("*", "http://224.0.0.1/a"),
        ("*", "file:///etc/passwd"),
        ("*", "gopher://public.example/a"),
        ("*", "http:///a"),
        ("*", "//public.example/a"),
        ("*", "http://public.example:99999/a"),
        ("*", "http://user:word@public.example/a"),
    ],
)
def test_a_url_that_leads_elsewhere_is_refused_untried(allowed: str, url: str) -> None:
    reader = Reader(allowed)
    with pytest.raises(RefusedUrlError):
        reader.read(url)
    assert reader.waits == []


def test_a_redirect_is_not_followed(store: PictureStore) -> None:
    store.put("elsewhere", b"secret")
    store.put("a", b"bytes")
    store.troubles["a"] = [302]
    with pytest.raises(RefusedUrlError, match="redirects are not followed"):
        Reader("127.0.0.1").read(store.url("a"))
    assert store.paths_asked() == ["a"]


def test_a_sas_is_sent_to_its_own_origin_only_and_never_shown(store: PictureStore) -> None:
    with PictureStore() as other:
        for place in (store, other):
            place.put("a", b"bytes")
        store.sas = "sv=1&sig=TOP%2FSECRET"
        access = Access.of([store.url("coco.json")], store.sas)
        assert Reader("127.0.0.1").read(store.url("a"), access=access) == b"bytes"
        assert Reader("127.0.0.1").read(other.url("a"), access=access) == b"bytes"
        assert other.requests[0][0] == "/a"
        assert "SECRET" not in repr(access)
        with pytest.raises(ForbiddenError) as refused:
            Reader("127.0.0.1").read(store.url("b?sig=SECRET"), access=access)
    assert "SECRET" not in str(refused.value)


def test_httpx_logs_no_sas(store: PictureStore, caplog: pytest.LogCaptureFixture) -> None:
    store.put("a", b"bytes")
    with caplog.at_level("DEBUG"):
        Reader("127.0.0.1").read(store.url("a"), access=Access.of([store.url("a")], "sig=SECRET"))
    assert "HTTP Request" in caplog.text
    assert "SECRET" not in caplog.text


def test_trouble_that_passes_is_waited_for(store: PictureStore) -> None:
    store.put("a", b"bytes")
    store.troubles["a"] = [503, 429, 500]
    reader = Reader("127.0.0.1")
    assert reader.read(store.url("a")) == b"bytes"
    assert reader.waits == [0.25, 0.5, 1.0]


def test_trouble_that_stays_ends_after_a_few_tries(store: PictureStore) -> None:
    store.troubles["a"] = [503] * 99
    reader = Reader("127.0.0.1")
    with pytest.raises(UnreachableError, match="503"):
        reader.read(store.url("a"))
    assert len(store.requests) == ATTEMPTS
    assert max(reader.waits) <= LONGEST_WAIT


def test_a_store_that_is_gone_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(UnreachableError):
        Reader("127.0.0.1").read(f"http://127.0.0.1:{port}/a")
    with pytest.raises(UnreachableError, match="not known"):
        Reader("nowhere.example").read("http://nowhere.example/a")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, ForbiddenError),
        (403, ForbiddenError),
        (404, MissingError),
        (409, ForbiddenError),
        (410, MissingError),
        (412, ChangedError),
        (418, FetchError),
    ],
)
def test_a_refusal_is_told_apart_and_not_tried_again(store: PictureStore, status: int, error: type[FetchError]) -> None:
    store.troubles["a"] = [status]
    with pytest.raises(error, match=str(status)):
        Reader("127.0.0.1").read(store.url("a"))
    assert len(store.requests) == 1


def test_only_the_recorded_bytes_will_do(store: PictureStore) -> None:
    store.put("a", b"old")
    for etag in (etag_of(b"old"), etag_of(b"old").strip('"')):
        assert Reader("127.0.0.1").read(store.url("a"), etag=etag) == b"old"
    store.put("a", b"new")
    with pytest.raises(ChangedError):
        Reader("127.0.0.1").read(store.url("a"), etag=etag_of(b"old"))


def test_no_more_than_the_limit_is_taken(store: PictureStore) -> None:
    store.put("a", b"x" * 11)
    assert Reader("127.0.0.1").read(store.url("a"), limit=11) == b"x" * 11
    with pytest.raises(TooLargeError, match="10 bytes"):
        Reader("127.0.0.1").read(store.url("a"), limit=10)


def test_a_slow_store_has_a_deadline(store: PictureStore) -> None:
    store.put("a", b"bytes")
    seconds = iter(range(0, 10_000, 100))
    fetcher = Fetcher(AllowedHosts.parse("127.0.0.1"), clock=lambda: next(seconds), sleep=lambda _: None)
    with pytest.raises(UnreachableError, match="within 50 s"):
        fetcher.read(store.url("a"), limit=10, seconds=50)
    fetcher.close()


@pytest.mark.parametrize("text", ["http://a", "a/b", "a:port", "a b", "*x", "a:123456"])
def test_a_wrong_list_of_hosts_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a host"):
        AllowedHosts.parse(text)


@settings(deadline=None)
@given(st.text() | st.text(alphabet="htps:/@?#[]%.0127aé\\ ").map(lambda text: f"http://{text}"))
def test_whatever_is_given_as_a_url_is_refused_when_no_host_is_allowed(url: str) -> None:
    fetcher = Fetcher(AllowedHosts.parse(""), resolve=resolve)
    with pytest.raises(RefusedUrlError):
        fetcher.read(url, limit=1)
    fetcher.close()
    assert "?" not in shown(url)
