"""The OpenAPI document against the engine: what is served is described, and schemathesis finds no answer that is not.

`SCHEMATHESIS_CASES` says how many cases there are at least, over all operations (300 when it is not set). All of
schemathesis's checks of answers run on each; of those for kinds of requests, `positive_data_acceptance` does not:
names are free or taken, URLs allowed or not, which no schema says. The key is always right, or else most cases would
be about nothing else; wrong ones are in `test_engine_contract.py`, and so does `ignored_auth` not run.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from schemathesis import Case, GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks
from starlette.applications import Starlette
from starlette.routing import Route

from engine.app import build_app
from engine.openapi import document
from tests.engine_support import KEY, Engine, PictureStore, draw_part, engine_process, settings_for

CASES = int(os.environ.get("SCHEMATHESIS_CASES", "300"))
CASES_A_TURN = 10  # of one operation
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.missing_required_header,
    checks.unsupported_method,
    checks.allow_header_conformance,
]
SEEDED = "parts"  # a data set, a model that was trained on it, and an evaluation of the model
NAMES = ["a", "b"]  # what the cases make, find and delete; the model "a" is cancelled when they begin
PICTURE = draw_part("nut", 1)


@pytest.fixture(scope="module")
def store() -> Iterator[PictureStore]:
    with PictureStore() as pictures:
        pictures.put("one.jpg", PICTURE)
        yield pictures


@pytest.fixture(scope="module")
def engine(store: PictureStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    # In a process of its own: hypothesis minds that threads of ours draw random ids.
    with engine_process(tmp_path_factory.mktemp("engine") / "data", store.host) as running:
        running.register(SEEDED, store.put_parts(SEEDED))
        running.trained(SEEDED, SEEDED)
        running.train("a", SEEDED)
        running.call("POST", "models/a:cancel")
        body = {"evaluationParameters": {"testDatasetName": SEEDED}}
        running.call("PUT", f"models/{SEEDED}/evaluations/{SEEDED}", json=body)
        running.wait(f"models/{SEEDED}/evaluations/{SEEDED}")
        yield running


def test_the_document_describes_the_routes_and_no_others(tmp_path: Path) -> None:
    app = build_app(settings_for(tmp_path / "data", ""), provider=TracerProvider(shutdown_on_exit=False))
    anyio.run(_start_and_stop, app)
    routes = {
        (route.path_format, route.endpoint.__name__, *route.methods - {"HEAD"})
        for route in app.routes
        if isinstance(route, Route)
    }
    described = {
        (path, operation["operationId"], method.upper())
        for path, operations in document()["paths"].items()
        for method, operation in operations.items()
    }
    assert described == routes


def test_every_schema_of_the_document_is_one_and_every_reference_leads_somewhere() -> None:
    content = document()
    references = set(_references(content))
    for kind, parts in content["components"].items():
        if kind != "securitySchemes":
            assert {f"#/components/{kind}/{name}" for name in parts} <= references, f"unused {kind}"
    for reference in references:
        found: Any = content
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
    for name, schema in content["components"]["schemas"].items():
        jsonschema_rs.Draft202012Validator(schema | {"components": content["components"]})
        assert name


async def _start_and_stop(app: Starlette) -> None:
    async with app.router.lifespan_context(app):
        pass


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def test_schemathesis_finds_no_answer_that_is_not_described(engine: Engine, store: PictureStore) -> None:
    for media_type in ("application/octet-stream", "image/*"):
        schemathesis.openapi.media_type(media_type, st.sampled_from([PICTURE, b"no picture"]))
    described = engine.client.get("/openapi.json").json()
    schema = schemathesis.openapi.from_dict(described | {"security": []})
    schema.config.update(base_url=engine.endpoint)
    operations = [found.ok() for found in schema.get_all_operations()]
    cases = {operation.label: _cases(operation, store.url("one.jpg")) for operation in operations}
    answers: Counter[str] = Counter()
    turn = 0
    while answers.total() < CASES:  # in turns, so that what one operation makes, another finds and a third deletes
        for asked in cases.values():
            _ask(asked, turn, answers)
        turn += 1
    told = [f"{answer}: {count}" for answer, count in sorted(answers.items())]
    print("", *told, f"cases: {answers.total()}", sep="\n")  # noqa: T201 - pytest shows it with -s or a failure
    successes = {f"{operation.label} {_success(operation)}" for operation in operations}
    assert successes <= set(answers), "an operation never succeeded"


def _success(operation: APIOperation) -> str:
    return next(status for status in operation.definition.raw["responses"] if status.startswith("2"))


def _cases(operation: APIOperation, picture: str) -> st.SearchStrategy[Case]:
    """Cases as the document has them, cases that it forbids, and cases about what exists, or may."""
    well_formed, malformed = (operation.as_strategy(mode) for mode in GenerationMode)
    about = st.tuples(well_formed, st.sampled_from(NAMES)).map(lambda drawn: _about(*drawn, picture))
    return st.one_of(well_formed, malformed, about, about)


def _ask(cases: st.SearchStrategy[Case], turn: int, answers: Counter[str]) -> None:
    """Sends some cases of one operation, and checks each answer."""

    @seed(turn)
    @settings(
        max_examples=CASES_A_TURN,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def ask(case: Case) -> None:
        response = case.call_and_validate(headers={"Ocp-Apim-Subscription-Key": KEY}, checks=CHECKS)
        answers[f"{case.operation.label} {response.status_code}"] += 1

    ask()


def _about(case: Case, name: str, picture: str) -> Case:
    """Lets a well-formed case be about names that exist or may, a model that answers, a picture that is one."""
    made_here = case.method in ("PUT", "PATCH", "DELETE") or case.operation.path.endswith(":cancel")
    for parameter in case.path_parameters or ():
        case.path_parameters[parameter] = name if parameter == "name" and made_here else SEEDED
    if case.operation.path.endswith(":analyze"):
        case.query["model-name"] = SEEDED
        if "json" in str(case.media_type):
            case.body = {"url": picture}
    elif case.method == "PUT" and "/models/" in case.operation.path:
        case.body = json.loads(json.dumps(case.body))
        for parameters in filter(None, case.body.values()):
            for key in ("trainingDatasetName", "testDatasetName"):
                if isinstance(parameters, dict) and key in parameters:
                    parameters[key] = SEEDED
    return case
