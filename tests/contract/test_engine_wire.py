"""What holds for every operation, asked of the app in this process and of a served engine (contract §1, §5, §11)."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.engine_support import KEY, VERSION, Engine, check_error, engine_in_process, engine_process

BODY = {"annotationKind": "imageClassification", "annotationFileUris": ["http://store.local/a.json"]}


@pytest.fixture(scope="module", params=["in process", "served"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    start = engine_in_process if request.param == "in process" else engine_process
    with start(tmp_path_factory.mktemp("engine") / "data", "") as running:
        yield running


def raw(engine: Engine, target: str, method: str = "GET") -> tuple[int, bytes]:
    """Asks with a request target exactly as it is written, which clients like to tidy up."""
    place = urlsplit(engine.endpoint)
    with socket.create_connection((place.hostname, place.port or 0)) as connection:
        lines = [
            f"{method} {target} HTTP/1.1",
            "Host: engine",
            f"Ocp-Apim-Subscription-Key: {KEY}",
            "Connection: close",
        ]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "models/m", "DELETE, GET, HEAD, PUT"),
        ("POST", "datasets/d", "DELETE, GET, HEAD, PATCH, PUT"),
        ("OPTIONS", "datasets", "GET, HEAD"),
        ("TRACE", "models/m/evaluations/e", "DELETE, GET, HEAD, PUT"),
        ("PUT", "models/m:cancel", "POST"),
        ("BREW", "imageanalysis:analyze", "POST"),
        ("GET", "imageanalysis:analyze", "POST"),
    ],
)
def test_an_unknown_method_is_told_with_those_that_are_allowed(
    engine: Engine, method: str, path: str, allowed: str
) -> None:
    answer = engine.call(method, path)
    check_error(answer, 405, "MethodNotAllowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    "path", ["models/m/evaluations/e/x", "datasets/", "imageanalysis:describe", "", "models/a%2Fb"]
)
def test_an_unknown_path_is_told_in_the_shape_of_errors(engine: Engine, path: str) -> None:
    assert "/openapi.json" in check_error(engine.call("GET", path), 404, "404")


@pytest.mark.parametrize(
    ("method", "path", "feature"),
    [
        ("PUT", "/productrecognition/m/runs/r", "product recognition"),
        ("GET", "productrecognition/m/runs", "product recognition"),
        ("POST", "/imagecomposition:stitch", "image composition"),
        ("POST", "imagecomposition:rectify", "image composition"),
        ("POST", "/planogramcompliance:match", "planogram compliance"),
        ("POST", "retrieval:vectorizeImage", "image retrieval"),
        ("POST", "imageanalysis:segment", "background removal"),
    ],
)
def test_a_feature_of_the_old_service_that_is_not_offered_is_named(
    engine: Engine, method: str, path: str, feature: str
) -> None:
    assert f"does not offer {feature}" in check_error(engine.call(method, path), 404, "404")


def test_a_get_may_be_asked_as_head(engine: Engine) -> None:
    answer = engine.call("HEAD", "datasets")
    assert (answer.status_code, answer.content) == (200, b"")
    assert engine.call("HEAD", "datasets/unknown").headers["x-ms-error-code"] == "DatasetNotFound"


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/computervision/datasets", 200),
        ("//computervision///datasets", 200),
        ("/computervision/d%61tasets", 200),
        ("/computervision/datasets%2Funknown", 404),
        ("/computervision/datasets/%00", 400),
        ("/computervision/datasets/..", 400),
        ("/computervision/datasets/%2e%2e", 400),
        ("/computervision/datasets/unknown%0A", 400),
        ("/computervision/models/unknown:stop", 400),  # no action: the name has a colon
    ],
)
def test_a_path_is_taken_as_it_is_written(engine: Engine, target: str, status: int) -> None:
    found, body = raw(engine, f"{target}?api-version={VERSION}")
    assert found == status, body


def test_an_action_may_have_its_colon_escaped(engine: Engine) -> None:
    found, body = raw(engine, f"/computervision/models/unknown%3Acancel?api-version={VERSION}", "POST")
    assert (found, b"ModelNotFound" in body) == (404, True)


@pytest.mark.parametrize("query", ["API-Version=2023-04-01-Preview", f"api-version=x&api-version={VERSION}"])
def test_query_names_have_any_casing_and_the_last_of_them_counts(engine: Engine, query: str) -> None:
    assert raw(engine, f"/computervision/datasets?{query}")[0] == 200


def test_answers_carry_the_ids_of_their_request(engine: Engine) -> None:
    for path, status in (("datasets", 200), ("datasets/unknown", 404), ("nothing", 404), ("datasets/-", 400)):
        answer = engine.call("GET", path, headers={"x-ms-client-request-id": "mine-1"})
        assert answer.status_code == status
        assert answer.headers["x-ms-client-request-id"] == "mine-1"
        assert len(answer.headers["x-ms-request-id"]) == 32
    trace = "0af7651916cd43dd8448eb211c80319c"
    answer = engine.call("GET", "datasets", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    assert answer.headers["x-ms-request-id"] == trace


@pytest.mark.parametrize("client_id", ["", "a b", "x" * 129, "é"])
def test_a_client_id_that_is_none_is_not_repeated(engine: Engine, client_id: str) -> None:
    answer = engine.call("GET", "datasets", headers={"x-ms-client-request-id": client_id.encode()})
    assert answer.status_code == 200
    assert "x-ms-client-request-id" not in answer.headers


@pytest.mark.parametrize(("method", "status"), [("PUT", 201), ("PATCH", 200)])
def test_a_wrong_word_for_authentication_is_ignored_with_a_warning(engine: Engine, method: str, status: int) -> None:
    body = BODY | {"AuthenticationKind": "sas"}  # contract §6, at its end
    answer = engine.call(method, "datasets/warned", json=body)
    assert answer.status_code == status
    assert "authenticationKind is ignored" in answer.headers["warning"]
    assert "authentication" not in answer.json()
    assert "warning" not in engine.call("PATCH", "datasets/warned", json={}).headers


def test_a_next_link_keeps_its_query_and_works_when_called(engine: Engine) -> None:
    for number in range(4):
        engine.call("PUT", f"datasets/link-{number}", json=BODY)
    link, seen = f"{engine.endpoint}/computervision//datasets?API-VERSION={VERSION}&Top=2&SKIP=1&code=x", 1
    while link:
        page = engine.client.get(link).json()
        seen += len(page["value"])
        link = page.get("nextLink")
        assert link is None or httpx.URL(link).params["API-VERSION"] == VERSION
    assert seen == len(engine.call("GET", "datasets", params={"top": "30"}).json()["value"])


@pytest.mark.parametrize("path", ["/healthz", "/openapi.json"])
def test_what_tells_nothing_of_anybody_needs_no_key(engine: Engine, path: str) -> None:
    assert httpx.get(engine.endpoint + path).status_code == 200
