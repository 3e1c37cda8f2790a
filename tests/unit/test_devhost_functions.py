"""What the host makes of an app's bindings and of host.json."""

import json
from pathlib import Path

import pytest

from devhost import protos
from devhost.errors import AppError
from devhost.functions import parse_functions
from devhost.hostfile import HostFile, read_hostfile

TIMER = {"direction": "IN", "type": "timerTrigger", "name": "timer", "schedule": "%TICK%"}


def indexed(*bindings: dict[str, object], **more: object) -> protos.RpcFunctionMetadata:
    return protos.RpcFunctionMetadata(
        name="tick", function_id="1", raw_bindings=[json.dumps(binding) for binding in bindings], **more
    )


def test_settings_are_resolved_in_every_text_of_a_binding() -> None:
    binding = {**TIMER, "path": "%A%/x/%B%", "methods": ["%A%"], "plain": "100 %"}
    function = parse_functions([indexed(binding)], {"TICK": "0 * * * * *", "A": "one", "B": "two"})[0]
    assert function.trigger.options["schedule"] == "0 * * * * *"
    assert function.trigger.options["path"] == "one/x/two"
    assert function.trigger.options["methods"] == ["one"]
    assert function.trigger.options["plain"] == "100 %"


def test_a_setting_that_is_not_set_is_named_with_its_function() -> None:
    with pytest.raises(AppError, match=r"binding 'timer' of function 'tick' uses %TICK%.*add it to the app settings"):
        parse_functions([indexed(TIMER)], {})


def test_an_unknown_binding_is_named_with_its_function() -> None:
    queue = {"direction": "IN", "type": "queueTrigger", "name": "message"}
    with pytest.raises(AppError, match="function 'tick' has binding 'message' of type 'queueTrigger'"):
        parse_functions([indexed(queue)], {})


def test_an_unknown_output_is_refused_although_a_trigger_has_its_type() -> None:
    output = {"direction": "OUT", "type": "blob", "name": "out"}
    with pytest.raises(AppError, match="'out' of type 'blob'"):
        parse_functions([indexed(TIMER, output)], {"TICK": "0 * * * * *"})


def test_a_retry_policy_is_refused_rather_than_ignored() -> None:
    function = indexed(TIMER, retry_options=protos.RpcRetryOptions(max_retry_count=3))
    with pytest.raises(AppError, match="retry policy"):
        parse_functions([function], {"TICK": "0 * * * * *"})


def test_a_function_needs_exactly_one_trigger() -> None:
    with pytest.raises(AppError, match="has 2 triggers"):
        parse_functions([indexed(TIMER, TIMER)], {"TICK": "0 * * * * *"})


def write(folder: Path, content: object) -> Path:
    path = folder / "host.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_host_json_gives_prefix_timeout_and_limits(tmp_path: Path):
    content = {
        "version": "2.0",
        "functionTimeout": "00:10:00",
        "extensions": {
            "http": {"routePrefix": ""},
            "blobs": {"maxDegreeOfParallelism": 3, "poisonBlobThreshold": 2},
        },
    }
    assert read_hostfile(write(tmp_path, content)) == HostFile("", 600.0, 3, 2)


def test_host_json_has_azures_defaults(tmp_path: Path):
    found = read_hostfile(write(tmp_path, {"version": "2.0"}))
    assert (found.route_prefix, found.function_timeout, found.poison_threshold) == ("api", 300.0, 5)


def test_a_timeout_of_minus_one_has_no_end(tmp_path: Path):
    assert read_hostfile(write(tmp_path, {"version": "2.0", "functionTimeout": "-1"})).function_timeout is None


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        {"version": "1.0"},
        {"version": "2.0", "functionTimeout": "soon"},
        {"version": "2.0", "functionTimeout": 300},
        {"version": "2.0", "extensions": {"blobs": {"poisonBlobThreshold": 0}}},
    ],
)
def test_a_host_json_that_makes_no_sense_is_refused(tmp_path: Path, content: object):
    with pytest.raises(AppError, match=r"host\.json"):
        read_hostfile(write(tmp_path, content))


def test_a_missing_host_json_is_named(tmp_path: Path):
    with pytest.raises(AppError, match="cannot read"):
        read_hostfile(tmp_path / "host.json")
