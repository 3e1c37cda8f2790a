"""The plain classes stand in for protobuf's: the library's own readers and writers agree with them."""

import json

import azure.functions as func
import pytest
from azure_functions_runtime.bindings.datumdef import Datum, datum_as_proto

from devhost import protos
from devhost.protos import RpcHttp, TypedData


@pytest.mark.parametrize(("kind", "value"), [("string", "text"), ("json", '{"a": 1}'), ("bytes", b"\x00\xff")])
def test_the_library_reads_what_we_send(kind: str, value: object):
    datum = Datum.from_typed_data(TypedData(**{kind: value}))
    assert (datum.type, datum.value) == (kind, value)


def test_the_library_reads_our_http_request() -> None:
    http = RpcHttp(
        method="POST",
        url="http://x/",
        headers={"a": "b"},
        query={"c": "d"},
        params={"e": "f"},
        body=TypedData(bytes=b"1"),
    )
    value = Datum.from_typed_data(TypedData(http=http)).value
    assert value["body"].value == b"1"
    assert value["query"]["c"].value == "d"


def test_the_library_writes_our_http_response_with_cookies() -> None:
    response = func.HttpResponse("hi", status_code=202)
    response.headers.add("Set-Cookie", "a=b; Path=/x; Max-Age=5; Secure; SameSite=Strict")
    datum = func.get_binding_registry().get("http").encode(response, expected_type=None)
    http = datum_as_proto(datum, protos).http
    assert (http.status_code, http.body.bytes) == ("202", b"hi")
    cookie = http.cookies[0]
    assert (cookie.name, cookie.path.value, cookie.max_age.value, cookie.secure.value) == ("a", "/x", 5.0, True)
    assert cookie.same_site == protos.RpcHttpCookie.SameSite.Strict


def test_a_value_has_one_kind() -> None:
    assert TypedData().WhichOneof("data") is None
    assert TypedData(json=json.dumps({})).WhichOneof("data") == "json"
    with pytest.raises(ValueError, match="one value"):
        TypedData(json="{}", string="")
    with pytest.raises(AttributeError, match="holds 'json', not 'bytes'"):
        _ = TypedData(json="{}").bytes
