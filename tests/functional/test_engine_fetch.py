"""Reading URLs from a real server on loopback; names resolve through a stand-in, so that no test asks a DNS."""

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.access import ANONYMOUS, NO_MAP, Access, AllowedHosts, HostMap, shown
from engine.dialing import is_public
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
    "again.example": ["127.0.0.1"],
    "platform.example": ["168.63.129.16"],
    "translated.example": ["64:ff9b::7f00:1"],
    "xn--bcher-kva.example": ["127.0.0.1"],
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

    def __init__(self, allowed: str, *, hosts: HostMap = NO_MAP) -> None:
        self.waits: list[float] = []
        self.fetcher = Fetcher(AllowedHosts.parse(allowed), hosts=hosts, resolve=resolve, sleep=self.waits.append)

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
        ("*.example", "http://platform.example/a"),
        ("*.example", "http://translated.example/a"),
        ("*.public.example", "http://public.example/a"),
        ("public.example", "http://public.example./a"),
        ("127.0.0.1", "http://2130706433/a"),
        ("127.0.0.1", "http://0177.0.0.1/a"),
        ("127.0.0.1", "http://0x7f.0.0.1/a"),
        ("127.0.0.1", "http://127.1/a"),
        ("127.0.0.1", "http://[::ffff:127.0.0.1]/a"),
        ("public.example", "http://public.example\\@inside.example/a"),
        ("public.example", "http://public.example%2f@inside.example/a"),
        ("*", "http://public.example/a\r\nHost: inside.example"),
        ("*", "http://public.example/" + "a" * 70_000),
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


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.1.2.3", "100.100.100.200", "127.0.0.1", "168.63.129.16", "169.254.169.254", "172.16.0.1"),
        *("192.168.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:10.0.0.1"),
        *("64:ff9b::a00:1", "2002:a00:1::1", "2001::1", "fc00::1", "fe80::1%eth0", "fec0::1", "ff02::1"),
    ],
)
def test_an_address_that_is_not_of_the_public_internet_is_known(address: str) -> None:
    assert not is_public(address)
    assert is_public("93.184.216.34")
    assert is_public("2606:2800:220:1::1")


def test_a_name_that_resolves_differently_later_gains_nothing(store: PictureStore) -> None:
    store.put("a", b"secret")
    answers = iter([["93.184.216.34", "127.0.0.1"], ["127.0.0.1"]])
    fetcher = Fetcher(AllowedHosts.parse("*"), resolve=lambda *_: next(answers))
    with pytest.raises(RefusedUrlError, match="private address"):
        fetcher.read(store.url("a").replace("127.0.0.1", "rebound.example"), limit=10)
    fetcher.close()
    assert store.requests == []
    assert next(answers) == ["127.0.0.1"]  # it was asked once


def test_a_name_and_its_punycode_are_one_host(store: PictureStore) -> None:
    store.put("a", b"bytes")
    url = store.url("a").replace("127.0.0.1", "bücher.example")
    assert Reader("xn--bcher-kva.example").read(url) == b"bytes"


def test_a_connection_is_used_for_one_host_name_only(store: PictureStore) -> None:
    store.put("a", b"bytes")
    opened: list[str] = []

    def note(host: str, port: int) -> list[str]:
        opened.append(host)
        return ["127.0.0.1"]

    fetcher = Fetcher(AllowedHosts.parse("one.example, two.example"), resolve=note)
    for host in ("one.example", "one.example", "two.example"):
        assert fetcher.read(store.url("a").replace("127.0.0.1", host), limit=10) == b"bytes"
    fetcher.close()
    assert opened == ["one.example", "two.example"]


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


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://one.example/c/b/picture.jpg", True),
        ("http://one.example/c/picture.jpg", True),
        ("http://one.example/c/a/picture.jpg?snapshot=1", True),
        ("http://one.example/other/picture.jpg", False),
        ("http://one.example/c-2/picture.jpg", False),
        ("http://one.example/picture.jpg", False),
        ("http://one.example/c/%2e%2e/other/picture.jpg", False),
        ("http://one.example/c/..%2fother/picture.jpg", False),
        ("http://one.example/c/..%5cother/picture.jpg", False),
        ("http://one.example:81/c/picture.jpg", False),
        ("https://one.example/c/picture.jpg", False),
        ("http://one.example.evil.example/c/picture.jpg", False),
        ("http://127.0.0.1/account/c/picture.jpg", True),
        ("http://127.0.0.1/account/other/picture.jpg", False),
        ("http://127.0.0.1/other/c/picture.jpg", False),
        ("http://azurite/account/c/picture.jpg", True),
        ("http://azurite/other/c/picture.jpg", False),
    ],
)
def test_a_sas_is_for_the_containers_of_the_annotation_files(url: str, sent: bool) -> None:
    files = (
        "http://one.example/c/a/coco.json",
        "http://127.0.0.1/account/c/coco.json",
        "http://azurite/account/c/x.json",
    )
    signed = Access.of(files, "sig=s").sign(httpx.URL(url))
    assert ("sig=s" in str(signed)) is sent
    assert str(signed).startswith(url)


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


@contextmanager
def host_that(acts: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server on loopback that does as it likes with each connection, until the caller hangs up."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65_536)
                    acts(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/a"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def drip(start: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    """Sends something, then a little now and then, for ever."""

    def act(connection: socket.socket) -> None:
        connection.sendall(start)
        while not select.select([connection], [], [], 0.01)[0]:  # readable: the caller has hung up
            connection.sendall(piece)

    return act


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "start",
    [b"", HEAD, HEAD + b"Content-Length: 900\r\n\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\n384\r\n"],
    ids=["status line", "headers", "body", "chunk"],
)
def test_a_host_that_drips_is_left_at_the_deadline(start: bytes) -> None:
    fetcher = Fetcher(AllowedHosts.parse("127.0.0.1"), sleep=lambda _: None)
    began = time.monotonic()
    with host_that(drip(start, b"X")) as url, pytest.raises(UnreachableError, match=r"cannot be read|within 0 s"):
        fetcher.read(url, limit=1_000_000, seconds=0.2, attempts=1)
    assert time.monotonic() - began < 5
    fetcher.close()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (HEAD + b"Content-Length: 1001\r\n\r\n", TooLargeError),  # not one byte of the body is waited for
        (HEAD + b"\r\n" + b"x" * 2_000, TooLargeError),
        (HEAD + b"Content-Length: 10\r\n\r\nshort", UnreachableError),
        (HEAD + b"Content-Length: -1\r\n\r\nx", UnreachableError),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", UnreachableError),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx", UnreachableError),
        (b"not HTTP at all\r\n\r\n", UnreachableError),
        (HEAD + b"X: " + b"y" * 200_000 + b"\r\n\r\n", UnreachableError),
        (b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n", UnreachableError),
        (b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", RefusedUrlError),
    ],
)
def test_a_host_that_lies_is_refused(answer: bytes, error: type[FetchError]) -> None:
    fetcher = Fetcher(AllowedHosts.parse("127.0.0.1"), sleep=lambda _: None)
    with host_that(lambda connection: connection.sendall(answer)) as url, pytest.raises(error):
        fetcher.read(url, limit=1_000, seconds=20, attempts=2)
    fetcher.close()


def test_a_compressed_body_stays_as_small_as_it_was_sent() -> None:
    fetcher = Fetcher(AllowedHosts.parse("127.0.0.1"))
    answer = HEAD + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nbytes"
    with host_that(lambda connection: connection.sendall(answer)) as url:
        assert fetcher.read(url, limit=1_000) == b"bytes"
    fetcher.close()


@pytest.mark.parametrize("etag", ['a"\r\nX-Injected: 1', "é", "x" * 2_000, "\x00"])
def test_an_etag_that_no_store_gives_is_never_sent(store: PictureStore, etag: str) -> None:
    store.put("a", b"bytes")
    with pytest.raises(ChangedError, match="no store gives"):
        Reader("127.0.0.1").read(store.url("a"), etag=etag)
    assert store.requests == []


def test_urls_of_a_retired_host_are_read_from_where_they_lie_now(store: PictureStore) -> None:
    store.put("devstoreaccount1/c/a b.jpg", b"bytes")
    store.files["devstoreaccount1/c/a%20b.jpg"] = store.files.pop("devstoreaccount1/c/a b.jpg")
    hosts = HostMap.parse(f"old.blob.core.windows.net=http://{store.host}/devstoreaccount1/")
    for url in (
        "https://old.blob.core.windows.net/c/a%20b.jpg?snapshot=7",
        "https://OLD.blob.core.windows.net/c/a b.jpg",
    ):
        assert Reader("127.0.0.1", hosts=hosts).read(url) == b"bytes"
    targets = [(target, headers["Host"]) for target, headers in store.requests]
    assert targets == [
        ("/devstoreaccount1/c/a%20b.jpg?snapshot=7", store.host),
        ("/devstoreaccount1/c/a%20b.jpg", store.host),
    ]


def test_a_mapped_url_is_held_to_the_allow_list_and_shown_as_it_was_written(store: PictureStore) -> None:
    hosts = HostMap.parse(f"old.example=http://{store.host}/account")
    with pytest.raises(
        RefusedUrlError, match=r"http://old\.example/c/a is not on an allowed host.* add '127\.0\.0\.1'"
    ):
        Reader("old.example", hosts=hosts).read("http://old.example/c/a?sig=s")
    with pytest.raises(MissingError, match=r"http://old\.example/c/a \("):
        Reader("127.0.0.1", hosts=hosts).read("http://old.example/c/a?sig=s")
    with pytest.raises(RefusedUrlError, match="user name"):
        Reader("127.0.0.1", hosts=hosts).read("http://user@old.example/c/a")


@pytest.mark.parametrize(
    ("file", "picture", "sent"),
    [
        ("https://old.example/c/coco.json", "https://old.example/c/x", True),
        ("http://127.0.0.1:1/account/c/coco.json", "https://old.example/c/x", True),
        ("https://old.example/c/coco.json", "http://127.0.0.1:1/account/c/x", True),
        ("https://old.example/c/coco.json", "https://old.example/other/x", False),
        ("https://other.example/c/coco.json", "https://old.example/c/x", False),
    ],
)
def test_a_sas_follows_the_map_to_the_account_that_holds_the_data_now(file: str, picture: str, sent: bool) -> None:
    hosts = HostMap.parse("old.example=http://127.0.0.1:1/account, other.example=http://127.0.0.1:1/second")
    place = hosts.place(httpx.URL(picture))
    assert ("sig=s" in str(Access.of([file], "sig=s").sign(place, hosts))) is sent


def test_a_port_may_be_part_of_what_is_mapped() -> None:
    hosts = HostMap.parse("old.example:8080=http://new.example/a, old.example=http://new.example/b")
    places = [str(hosts.place(httpx.URL(f"http://{host}/x"))) for host in ("old.example:8080", "old.example", "other")]
    assert places == ["http://new.example/a/x", "http://new.example/b/x", "http://other/x"]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "a",
            "a=",
            "=http://b",
            "a=b",
            "a=file:///b",
            "*.a=http://b",
            "a=http://u@b",
            "a=http://b?sig=s",
            "a=http://b:port",
        ),
        "a=http://b,a=http://c",
    ],
)
def test_a_wrong_map_of_hosts_is_refused_and_no_query_of_it_shown(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not host=URL|has a user name|is mapped twice") as refused:
        HostMap.parse(text)
    assert "sig=s" not in str(refused.value)


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
