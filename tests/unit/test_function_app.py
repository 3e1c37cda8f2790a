"""The app as Azure sees it: its functions, their exact bindings, and that importing it does nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

PROBE = """
import json, sys
import function_app
functions = function_app.app.get_functions()
bindings = {f.get_function_name(): [json.loads(binding) for binding in f.get_raw_bindings()] for f in functions}
heavy = [name for name in ("numpy", "onnxruntime", "azure.eventgrid", "opentelemetry.exporter") if name in sys.modules]
print(json.dumps({"bindings": bindings, "heavy": heavy}))
"""


def trigger(kind: str, name: str, **settings: object) -> dict[str, object]:
    return {"direction": "IN", "type": kind, "name": name, **settings}


ANSWER = {"direction": "OUT", "type": "http", "name": "$return"}
BINDINGS = {
    "rebuild_dataset": [
        trigger(
            "blobTrigger",
            "blob",
            path="%TRAINING_CONTAINER%/{dataset}/images/{name}",
            connection="TRAINING_STORAGE",
            source="EventGrid",
        )
    ],
    "import_annotations": [
        trigger(
            "blobTrigger",
            "blob",
            path="%TRAINING_CONTAINER%/{dataset}/annotations/{name}",
            connection="TRAINING_STORAGE",
            source="EventGrid",
        )
    ],
    "forget_image": [trigger("eventGridTrigger", "event")],
    "fold_changes": [trigger("timerTrigger", "timer", schedule="%FOLD_SCHEDULE%")],
    "reconcile": [trigger("timerTrigger", "timer", schedule="%RECONCILE_SCHEDULE%", runOnStartup=True)],
    "start_training": [trigger("timerTrigger", "timer", schedule="%START_TRAINING_SCHEDULE%")],
    "poll_training": [trigger("timerTrigger", "timer", schedule="%POLL_TRAINING_SCHEDULE%")],
    "predict": [
        trigger(
            "httpTrigger",
            "req",
            methods=["POST"],
            authLevel="ANONYMOUS",
            route="computervision/imageanalysis:analyze",
        ),
        ANSWER,
    ],
    "status": [
        trigger("httpTrigger", "req", methods=["GET"], authLevel="FUNCTION", route="api/status"),
        ANSWER,
    ],
}


def imported_with_an_empty_environment() -> dict[str, Any]:
    command = [sys.executable, "-W", "error", "-c", PROBE]
    done = subprocess.run(command, cwd=ROOT, env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_app_has_exactly_these_functions_and_imports_nothing_heavy() -> None:
    probe = imported_with_an_empty_environment()
    assert probe["bindings"] == BINDINGS
    assert probe["heavy"] == []


def test_the_contracts_path_is_served_without_a_prefix() -> None:
    host = json.loads((ROOT / "host.json").read_text())
    assert host["extensions"]["http"]["routePrefix"] == ""
