"""The hostile inputs that are no pictures: what is sent, and what must come back."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.engine_support import KEY, VERSION
from tests.hostile.pictures import ALL, part

ANALYZE = "/computervision/imageanalysis:analyze"
REFUSED = (400, "InvalidRequest")
UNKNOWN = (404, "404")
PROTOCOL = (400, None)  # not HTTP: answered below the engine, by the server


@dataclass(frozen=True)
class Case:
    """One input: a request, and its expected status (several, when bits were turned at random) and code."""

    name: str
    method: str = "POST"
    path: str = ANALYZE
    query: str = f"api-version={VERSION}&model-name=parts"
    headers: tuple[tuple[bytes, bytes], ...] = ((b"Content-Type", b"application/octet-stream"),)
    body: Any = b""  # bytes, or a function that makes them
    statuses: tuple[int, ...] = (400,)
    code: str | None = "InvalidRequest"
    inner: str | None = None
    keyed: bool = True
    raw: bytes | None = field(default=None, repr=False)  # sent as it is
    hangs_up: bool = False  # stops in the middle of its body

    def content(self) -> bytes:
        """The body's bytes."""
        return bytes(self.body() if callable(self.body) else self.body)

    def wire(self) -> bytes:
        """The request as it goes over the wire."""
        if self.raw is not None:
            return self.raw
        content = self.content()
        headers = list(self.headers)
        if not any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in headers):
            headers.append((b"Content-Length", str(len(content)).encode()))
        if not any(name.lower() == b"host" for name, _ in headers):
            headers.append((b"Host", b"engine"))
        if self.keyed:
            headers.append((b"Ocp-Apim-Subscription-Key", KEY.encode()))
        headers.append((b"Connection", b"close"))
        target = self.path + (f"?{self.query}" if self.query else "")
        lines = [f"{self.method} {target} HTTP/1.1".encode("latin-1"), *(n + b": " + v for n, v in headers)]
        return b"\r\n".join(lines) + b"\r\n\r\n" + content


def _pictures() -> list[Case]:
    return [
        Case(name, body=make, statuses=(status,) if status else (200, 400), code=code or None, inner=inner)
        for name, make, (status, code, inner) in ALL
    ]


def _form(name: str, body: Any, *, kind: bytes = b"multipart/form-data; boundary=b", ok: bool = False) -> Case:
    status, code = ((200,), None) if ok else ((400,), "InvalidRequest")
    return Case(f"form: {name}", headers=((b"Content-Type", kind),), body=body, statuses=status, code=code)


def _one_part(head: bytes = b'Content-Disposition: form-data; name="f"; filename="a.jpg"') -> bytes:
    return b"--b\r\n" + head + b"\r\n\r\n" + part() + b"\r\n--b--\r\n"


def _bodies() -> list[Case]:
    octets = (b"Content-Type", b"application/octet-stream")
    chunked = (octets, (b"Transfer-Encoding", b"chunked"))
    return [
        Case("empty body", inner="InvalidImageSize"),
        Case("20 MB and one byte", body=lambda: bytes(20_971_521), inner="InvalidImageSize"),
        Case(
            "announces 10^15 bytes", headers=(octets, (b"Content-Length", b"1" + b"0" * 15)), inner="InvalidImageSize"
        ),
        Case("announces -1 bytes", headers=(octets, (b"Content-Length", b"-1")), code=None),
        Case(
            "announces two lengths", headers=(octets, (b"Content-Length", b"1"), (b"Content-Length", b"2")), code=None
        ),
        Case(
            "length and chunks",
            headers=(*chunked, (b"Content-Length", b"5")),
            body=b"0\r\n\r\n",
            statuses=(400,),
            code=None,
        ),
        Case("chunks of nothing", headers=chunked, body=b"0\r\n\r\n", inner="InvalidImageSize"),
        Case(
            "chunk of 2^64 bytes",
            headers=chunked,
            body=b"ffffffffffffffffff\r\nx",
            statuses=(400, 0),
            code=None,
            hangs_up=True,
        ),
        Case("no chunk at all", headers=chunked, body=b"zz\r\nx\r\n", statuses=(400, 0), code=None),
        Case(
            "21 MB in chunks",
            headers=chunked,
            body=lambda: (b"100000\r\n" + bytes(2**20) + b"\r\n") * 21 + b"0\r\n\r\n",
            inner="InvalidImageSize",
        ),
        Case("unknown media type", headers=((b"Content-Type", b"application/pdf"),)),
        Case("media type of 60 KB", headers=((b"Content-Type", b"a/" + b"b" * 60_000),)),
        Case(
            "gzip, says so",
            headers=(octets, (b"Content-Encoding", b"gzip")),
            body=b"\x1f\x8b\x08" + bytes(50),
            inner="InvalidImageFormat",
        ),
        _form("one file", _one_part(), ok=True),
        _form("no boundary", _one_part(), kind=b"multipart/form-data"),
        _form("empty boundary", _one_part(), kind=b"multipart/form-data; boundary="),
        _form("boundary of 60 KB", _one_part(), kind=b"multipart/form-data; boundary=" + b"b" * 60_000),
        _form("boundary in RFC 2231", _one_part(), kind=b"multipart/form-data; boundary*=utf-8''%E2%82%AC"),
        _form("boundary of other bytes", _one_part(), kind=b"multipart/form-data; boundary=\xff\xfe"),
        _form("another boundary", _one_part(), kind=b"multipart/form-data; boundary=c"),
        _form("60 KB of quotes", _one_part(), kind=b'multipart/form-data; a="' + b';"' * 30_000),
        _form("no part", b"--b--\r\n"),
        _form("no file", b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nhello\r\n--b--\r\n'),
        _form("10,000 parts", lambda: b"--b\r\n\r\nx\r\n" * 10_000 + b"--b--\r\n"),
        _form("4,000,000 boundaries", lambda: b"--b\r\n" * 4_000_000),
        _form(
            "forms in forms",
            b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n--b--\r\n",
        ),
        _form("a head of 20 MB", lambda: _one_part(b"X: " + b"y" * 20_000_000)),
        _form("a head that never ends", b"--b\r\nX: y"),
        _form(
            "a path as file name", _one_part(b'Content-Disposition: form-data; filename="../../etc/passwd"'), ok=True
        ),
    ]


def _json(name: str, body: Any, *, path: str = "datasets/x", method: str = "PUT", code: str = "InvalidRequest") -> Case:
    content = body if isinstance(body, bytes) else json.dumps(body).encode("utf-8", "surrogatepass")
    headers = ((b"Content-Type", b"application/json"),)
    return Case(
        f"JSON: {name}", method, f"/computervision/{path}", f"api-version={VERSION}", headers, content, code=code
    )


def _dataset(**changes: object) -> dict[str, object]:
    return {"annotationKind": "imageClassification", "annotationFileUris": ["http://a/b"]} | changes


def _model(dataset: object = "parts", hours: object = 1, **changes: object) -> dict[str, object]:
    return {"trainingParameters": {"trainingDatasetName": dataset, "timeBudgetInHours": hours} | changes}


def _jsons() -> list[Case]:
    uri = "DatasetInvalidAnnotationUri"
    return [
        _json("nothing", b""),
        _json("100,000 brackets", b"[" * 100_000),
        _json("a megabyte of objects", b'{"a":' * 200_000),
        _json("depth under a known key", b'{"customProperties":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001),
        _json("a megabyte and a byte", b" " * 1_048_577),
        _json("not UTF-8", b'{"annotationKind":"\xff\xfe"}'),
        _json("half a surrogate", b'{"annotationKind":"\\ud800","annotationFileUris":["http://a/\\ud800"]}'),
        _json("a NUL", _dataset(annotationKind="image\0Classification")),
        _json("NaN", b'{"annotationKind":NaN}'),
        _json("a huge number", b'{"annotationKind":' + b"9" * 100_000 + b"}"),
        _json("an array", []),
        _json("null", None),
        _json("a string of a megabyte", _dataset(annotationKind="a" * 1_000_000)),
        _json("quotes that never end", b'{"a":' + b"'" + b"\\'" * 30_000),
        _json("kind as number", _dataset(annotationKind=1)),
        _json("kind __proto__", _dataset(annotationKind="__proto__")),
        _json("URIs as text", _dataset(annotationFileUris="http://a/b")),
        _json("URIs of objects", _dataset(annotationFileUris=[{}])),
        _json("11 URIs", _dataset(annotationFileUris=["http://a/b"] * 11), code=uri),
        _json("file:", _dataset(annotationFileUris=["file:///etc/passwd"]), code=uri),
        _json("a user", _dataset(annotationFileUris=["http://u:p@a/b"]), code=uri),
        _json("a signature", _dataset(annotationFileUris=["http://a/b?SIG=c"]), code=uri),
        _json("a host that cannot be one", _dataset(annotationFileUris=["http://xn--/b"]), code=uri),
        _json("a line break", _dataset(annotationFileUris=["http://a/b\r\nX: y"]), code=uri),
        _json("port 99999", _dataset(annotationFileUris=["http://a:99999/b"]), code=uri),
        _json("authentication as text", _dataset(authentication="sas")),
        _json("a SAS that is a URL", _dataset(authentication={"kind": "sas", "sasToken": "http://a?sig=b"})),
        _json("a SAS with a line break", _dataset(authentication={"kind": "sas", "sasToken": "sig=a\r\nX: y"})),
        _json("a SAS as number", _dataset(authentication={"kind": "sas", "sasToken": 1})),
        _json("properties of objects", _dataset(customProperties={"a": {}})),
        _json("11 properties", _dataset(customProperties={str(n): "" for n in range(11)})),
        _json("hours 0", _model(hours=0), path="models/x"),
        _json("hours 2^64", _model(hours=2**64), path="models/x"),
        _json(
            "hours 1e400",
            b'{"trainingParameters":{"trainingDatasetName":"parts","timeBudgetInHours":1e400}}',
            path="models/x",
        ),
        _json("hours as text", _model(hours="1"), path="models/x"),
        _json("hours true", _model(hours=True), path="models/x"),
        _json("data set as number", _model(dataset=1), path="models/x"),
        _json("data set ../parts", _model(dataset="../parts"), path="models/x", code="DatasetNotFound"),
        _json("model kind of 1 MB", _model(modelKind="a" * 1_000_000), path="models/x"),
        _json("evaluation of nothing", {}, path="models/parts/evaluations/x"),
        _json("a PATCH of numbers", {"annotationKind": 1}, path="datasets/parts", method="PATCH"),
    ]


def _names() -> list[Case]:
    names = {
        "..": 400, "%2e%2e": 400, "..%2f..%2fetc": 404, "%2fetc%2fshadow": 404, "..%5c..%5c": 400, "a%00b": 400,
        "a" * 256: 400, "b" * 8_000: 400, "%C3%A9": 400, "%F0%9F%98%80": 400, "%ff%fe": 400, "-a": 400, ".a": 400,
        "a%20b": 400, "a%0d%0ab": 400, "a;b": 400, "a'--": 400, "%24%7Ba%7D": 400, "a:delete": 400, "a:cancel": 404,
        "%252e%252e": 400, "%D9%A1": 400, "a%0a": 400,
    }  # fmt: skip
    base = {"path": "/computervision/models/", "query": f"api-version={VERSION}"}
    return [
        Case(f"name {name[:40]}", "GET", base["path"] + name, base["query"], statuses=(status, 404, 405), code=None)
        for name, status in names.items()
    ] + [Case(f"model-name {name[:20]}", query=f"api-version={VERSION}&model-name={name}", body=part,
              statuses=(400, 404), code=None) for name in ("..%2f..", "a%00", "%ff", "a" * 9_000)]  # fmt: skip


def _queries() -> list[Case]:
    values = (
        "skip=-1", "skip=2147483648", "skip=" + "0" * 12 + "9" * 30, "skip=" + "9" * 5_000, "skip=" + "0" * 5_000,
        "skip=%D9%A1", "skip=1e3", "skip=0x1", "skip=%201", "top=0", "top=31", "top=-1", "top=1&top=31", "top=",
        "top=%00",
    )  # fmt: skip
    cases = [
        Case(f"query {value[:30]}", "GET", "/computervision/datasets", f"api-version={VERSION}&{value}")
        for value in values
    ]
    versions = ("", "api-version=", "api-version=latest", "api-version=" + "a" * 9_000, "api-version=%ff")
    return cases + [Case(f"query {text[:30]}", "GET", "/computervision/datasets", text) for text in versions]


def _headers() -> list[Case]:
    listing = {"method": "GET", "path": "/computervision/datasets", "query": f"api-version={VERSION}"}
    key = b"Ocp-Apim-Subscription-Key"
    keys = {"none": (), "empty": ((key, b""),), "not ASCII": ((key, b"\xff\xfe"),), "long": ((key, b"a" * 60_000),),
            "two, the first wrong": ((key, b"wrong"), (key, b"worse")), "with a NUL's neighbour": ((key, b"a\x7f"),)}  # fmt: skip  # noqa: E501
    cases = [
        Case(f"key: {name}", **listing, headers=value, keyed=False, statuses=(401, 400), code=None)
        for name, value in keys.items()
    ]
    odd = {
        "traceparent": b"00-zz-zz-01", "Traceparent": b"\xff" * 500, "tracestate": b"a=" + b"b" * 9_000,
        "If-Match": b"\xff\xfe", "Accept": b"\xff", "X-Forwarded-Host": b"evil", "x-ms-client-request-id": b"a" * 9_000,
    }  # fmt: skip
    cases += [
        Case(f"header {name}", **listing, headers=((name.encode(), value),), statuses=(200,), code=None)
        for name, value in odd.items()
    ]
    hosts = (b"[", b"a b", b"\xff", b"a:99999", b"evil/..", b"")
    cases += [
        Case(f"host {host!r}", **listing, headers=((b"Host", host),), statuses=(200, 400), code=None) for host in hosts
    ]
    line = b"GET /computervision/datasets?api-version=" + VERSION.encode()
    raws = {
        "a header of 200 KB": line + b" HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        "10,000 headers": line + b" HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
        "no host": line + b" HTTP/1.1\r\n\r\n",
        "HTTP/9": line + b" HTTP/9.9\r\nHost: a\r\n\r\n",
        "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "bytes in the path": b"GET /computervision/\xff\xfe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "an absolute target": b"GET http://evil/computervision HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "a folded header": line + b" HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\nConnection: close\r\n\r\n",
    }
    return cases + [
        Case(f"raw: {name}", raw=raw, statuses=(400, 401, 404, 431, 505), code=None) for name, raw in raws.items()
    ]


def _methods() -> list[Case]:
    methods = ("TRACE", "get", "CONNECT", "PROPFIND", "PUT", "OPTIONS", "A" * 300)
    return [
        Case(f"method {method[:20]}", method, "/computervision/datasets", f"api-version={VERSION}",
             statuses=(400, 404, 405), code=None) for method in methods
    ]  # fmt: skip


def _urls() -> list[Case]:
    urls = (
        "", "file:///etc/passwd", "ftp://a/b", "gopher://127.0.0.1:6379/_x", "data:image/png;base64,AAAA", "//a/b", "http://",
        "http://127.0.0.1/a", "http://[::1]/a", "http://0.0.0.0/a", "http://169.254.169.254/latest/meta-data", "http://2130706433/a",
        "http://0177.0.0.1/a", "http://0x7f000001/a", "http://127.1/a", "http://[::ffff:127.0.0.1]/a", "http://[::ffff:7f00:1]/a",
        "http://metadata.google.internal./a", "http://localhost/a", "http://localhost./a", "http://a@127.0.0.1/a", "http://a:b@c/d",
        "http://a\\@127.0.0.1/a", "http://127.0.0.1:22/a", "http://127.0.0.1:99999/a", "http://xn--/a", "http://a b/c",
        "http://a/b\r\nHost: c", "http://a/\0", "http://[/a", "http://" + "a" * 70_000, "http://a/" + "b" * 70_000, "http://é.example/a",
        "http://①②⑦.⓪.⓪.①/a", "\ud800", "javascript:alert(1)", "http://%31%32%37.0.0.1/a",
    )  # fmt: skip
    headers = ((b"Content-Type", b"application/json"),)
    return [Case(f"URL {url[:40]!r}", headers=headers, body=json.dumps({"url": url}).encode()) for url in urls] + [
        Case(f"URL {name}", headers=headers, body=body)
        for name, body in {"as number": b'{"url":1}', "missing": b"{}", "in a list": b'{"url":["http://a"]}'}.items()
    ]


CASES = [*_pictures(), *_bodies(), *_jsons(), *_names(), *_queries(), *_headers(), *_methods(), *_urls()]
