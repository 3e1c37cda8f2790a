"""The host process over HTTP: functions, keys, admin API and webhooks."""

import concurrent.futures
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.devhost_support import Home, home_in
from tests.waiting import wait_until

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
DELETED = "Microsoft.Storage.BlobDeleted"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    yield from home_in(tmp_path_factory.mktemp("home"))


def event(path: str, kind: str = "Microsoft.Storage.BlobCreated") -> dict[str, Any]:
    return {
        "id": "1",
        "topic": "t",
        "subject": f"/blobServices/default/containers/training/blobs/{path}",
        "eventType": kind,
        "eventTime": "2026-11-23T11:32:21Z",
        "data": {"api": "PutBlob"},
        "dataVersion": "",
    }


def blobs_hook(home: Home, function: str = "Host.Functions.picture") -> str:
    return f"/runtime/webhooks/blobs?functionName={function}&code={home.services.keys.extensions['blobs_extension']}"


def grid_hook(home: Home, function: str = "forget") -> str:
    key = home.services.keys.extensions["eventgrid_extension"]
    return f"/runtime/webhooks/eventgrid?functionName={function}&code={key}"


def test_a_function_sees_the_request_and_its_answer_comes_back_whole(home: Home) -> None:
    headers = {"X-Thing": "q", "traceparent": TRACE}
    answer = home.request("POST", "/echo/a%20b/7?x=1&x=2&empty=", content=b"\xffbody", headers=headers)
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    seen = answer.json()
    assert seen["method"] == "POST"
    assert seen["url"].startswith(home.services.endpoint + "/echo/")
    assert seen["params"] == {"x": "1,2"}
    assert seen["route"] == {"name": "a b", "id": "7"}
    assert (seen["header"], seen["body"]) == ("q", "\xffbody")
    assert seen["trace"] == TRACE
    cookie = answer.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("taste=sweet", "max-age=60", "path=/", "httponly", "samesite=lax"))


def test_a_call_without_a_trace_starts_one(home: Home) -> None:
    first, second = (home.request("GET", "/echo/x").json()["trace"] for _ in range(2))
    assert first != second
    assert first.startswith("00-")


def test_keys_open_by_level(home: Home) -> None:
    keys = home.services.keys
    path = "/computervision/imageanalysis:analyze"
    for key in (keys.functions["analyze"], keys.host, keys.master):
        assert home.request("POST", path, headers={"x-functions-key": key}, content=b"123").text == "3"
        assert home.request("POST", f"{path}?code={key}", content=b"123").text == "3"
    for wrong in ({}, {"x-functions-key": "wrong"}, {"x-functions-key": keys.functions["guarded"]}):
        refused = home.request("POST", path, headers=wrong)
        assert (refused.status_code, refused.content) == (401, b"")
    assert home.request("GET", "/guarded", headers={"x-functions-key": keys.host}).status_code == 401
    assert home.request("GET", "/guarded", headers={"x-functions-key": keys.master}).text == "in"


def test_a_failing_function_is_500_without_its_secrets_in_the_answer(home: Home) -> None:
    answer = home.request("GET", "/fail")
    assert (answer.status_code, answer.content) == (500, b"")
    assert "RuntimeError: on purpose" in home.services_log()


def test_a_function_that_takes_too_long_is_500_and_named(home: Home) -> None:
    assert home.request("GET", "/hang").status_code == 500
    assert "hang failed: timed out after 2 s (functionTimeout in host.json)" in home.services_log()


def test_functions_run_at_once(home: Home) -> None:
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: home.request("GET", "/meet"), range(2)))
    assert [answer.text for answer in answers] == ["met", "met"]


def test_the_admin_api_opens_to_the_master_key_only(home: Home) -> None:
    keys = home.services.keys
    for path in ("/admin/host/status", "/admin/functions", "/admin/functions/tick"):
        assert home.request("GET", path).status_code == 401
        assert home.request("GET", path, headers={"x-functions-key": keys.host}).status_code == 401
        assert home.request("GET", path, headers={"x-functions-key": keys.master}).status_code == 200
    assert home.request("POST", "/admin/functions/tick", json={"input": ""}).status_code == 401


def test_a_timer_runs_on_demand(home: Home) -> None:
    master = {"x-functions-key": home.services.master_key}
    before = len(home.notes("tick"))
    assert home.request("POST", "/admin/functions/Tick", json={"input": ""}, headers=master).status_code == 202
    home.wait_for("tick", count=before + 1)
    assert home.request("POST", "/admin/functions/nothing", json={}, headers=master).status_code == 404
    assert home.request("POST", "/admin/functions/echo", json={}, headers=master).status_code == 400
    assert home.request("POST", "/admin/functions/tick", content=b"{", headers=master).status_code == 400
    assert home.request("POST", "/admin/functions/tick", json={"input": 1}, headers=master).status_code == 400


def test_a_blob_event_by_webhook_is_delivered_as_often_as_it_comes(home: Home) -> None:
    home.training.upload_blob("hook/images/x.png", b"x")
    home.wait_for("picture", blob="hook/images/x.png")
    for count in (2, 3):
        answer = home.request("POST", blobs_hook(home), json=[event("hook/images/x.png")])
        assert answer.status_code == 202
        home.wait_for("picture", blob="hook/images/x.png", count=count)


def test_a_cloud_event_is_understood(home: Home) -> None:
    home.training.upload_blob("cloud/images/x.png", b"x")
    home.wait_for("picture", blob="cloud/images/x.png")
    given = event("cloud/images/x.png")
    cloud = {"specversion": "1.0", "type": given["eventType"], "source": "/x", "id": "1", "subject": given["subject"]}
    headers = {"content-type": "application/cloudevents+json; charset=utf-8"}
    assert home.request("POST", blobs_hook(home), content=json.dumps(cloud), headers=headers).status_code == 202
    home.wait_for("picture", blob="cloud/images/x.png", count=2)


def test_events_that_are_not_for_a_blob_trigger_are_accepted_and_ignored(home: Home) -> None:
    others = [event("x/coco/live.json"), event("x/images/y.png", DELETED), {"subject": 1}, {}]
    assert home.request("POST", blobs_hook(home), json=others).status_code == 202


def test_a_blob_that_is_gone_when_its_event_comes_is_told_as_deleted(home: Home) -> None:
    assert home.request("POST", blobs_hook(home), json=event("gone/images/x.png")).status_code == 202
    home.wait_for("forget", **home.forgotten("gone/images/x.png"))
    assert home.notes("picture", blob="gone/images/x.png") == []


def test_an_event_grid_function_answers_for_itself(home: Home) -> None:
    good, bad = event("told/images/x.png", DELETED), event("bad/images/x.png", DELETED)
    assert home.request("POST", grid_hook(home), json=[good]).status_code == 202
    assert home.notes("forget", type=DELETED, **home.forgotten("told/images/x.png"))
    assert home.request("POST", grid_hook(home), json=[good, bad]).status_code == 500


def test_the_subscription_handshakes(home: Home) -> None:
    validation = [
        {"id": "1", "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "c"}}
    ]
    for hook in (blobs_hook(home), grid_hook(home)):
        headers = {"aeg-event-type": "SubscriptionValidation"}
        assert home.request("POST", hook, json=validation, headers=headers).json() == {"validationResponse": "c"}
        assert home.request("POST", hook, json=[{}], headers=headers).status_code == 400
        allowed = home.request("OPTIONS", hook, headers={"WebHook-Request-Origin": "eventgrid.azure.net"})
        assert (allowed.status_code, allowed.headers["webhook-allowed-origin"]) == (200, "eventgrid.azure.net")
        assert home.request("OPTIONS", hook).status_code == 400
        assert home.request("POST", hook, json=[{}], headers={"aeg-event-type": "Unsubscribe"}).status_code == 202
        assert home.request("POST", hook, json=[{}], headers={"aeg-event-type": "Other"}).status_code == 400


def test_webhooks_refuse_wrong_keys_names_and_bodies(home: Home) -> None:
    keys = home.services.keys
    assert home.request("POST", "/runtime/webhooks/blobs?functionName=picture", json=[]).status_code == 401
    foreign = f"/runtime/webhooks/blobs?functionName=picture&code={keys.extensions['eventgrid_extension']}"
    assert home.request("POST", foreign, json=[]).status_code == 401
    assert home.request("POST", blobs_hook(home, "forget"), json=[]).status_code == 404
    assert home.request("POST", grid_hook(home, "nothing"), json=[]).status_code == 404
    for body in (b"", b"{", b"[1]", b'"x"'):
        assert home.request("POST", blobs_hook(home), content=body).status_code == 400
    assert home.request("POST", blobs_hook(home), content=b" " * (1024 * 1024 + 1)).status_code == 413


def test_a_name_that_no_blob_can_have_is_dropped(home: Home) -> None:
    name = "long/images/" + "x" * 3000
    assert home.request("POST", blobs_hook(home), json=[event(name)]).status_code == 202
    wait_until(lambda: home.notes("forget", **home.forgotten(name)), "the impossible blob is given up")
