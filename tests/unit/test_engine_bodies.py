import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bodies import MAX_DEPTH, MAX_LENIENT_BYTES, DatasetBody, ModelBody, UrlBody, parse_body
from engine.errors import InvalidRequestError

KEYS = ["annotationKind", "annotationFileUris", "authentication", "customProperties"]


@given(st.sampled_from(KEYS), st.integers(0))
def test_a_key_is_bound_in_any_casing(key: str, casing: int) -> None:
    spelled = "".join(letter.upper() if casing >> at & 1 else letter.lower() for at, letter in enumerate(key))
    values = {"annotationFileUris": ["u"], "authentication": {"KIND": "sas", "SasToken": "s"}}
    value = values.get(key, {"Line": "7"} if key == "customProperties" else "text")
    assert parse_body(json.dumps({spelled: value}).encode(), DatasetBody) != DatasetBody()


@pytest.mark.parametrize(
    "text",
    [
        # The docs' own example of a model, as their curl command sends it (contract §1).
        "{'trainingParameters':{'trainingDatasetName':'it','timeBudgetInHours':1,'modelKind':'Generic-Classifier',}}",
        '{"trainingParameters": {"trainingDatasetName": "it", "timeBudgetInHours": 1, "modelKind": null,},\n}',
        '\ufeff{"trainingParameters": {"trainingDatasetName": "it", "timeBudgetInHours": 1.0}}',
        '{"TrainingParameters": 1, "trainingparameters": {"trainingDatasetName": "it", "timeBudgetInHours": 1}}',
    ],
)
def test_what_the_old_service_understood_is_understood(text: str) -> None:
    parameters = parse_body(text.encode(), ModelBody).training_parameters
    assert (parameters.training_dataset_name, parameters.time_budget_in_hours) == ("it", 1)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from("'\",]}{[:\\"), max_size=20)


@given(texts)
def test_a_string_in_single_quotes_is_the_same_string(text: str) -> None:
    quoted = json.dumps(text)[1:-1].replace('\\"', '"').replace("'", "\\'")
    assert parse_body(f"{{'url': '{quoted}',}}".encode(), UrlBody).url == text


@given(st.lists(texts, max_size=3))
def test_what_is_inside_a_string_is_no_leniency(uris: list[str]) -> None:
    strict = json.dumps({"annotationFileUris": uris})
    lenient = f"{strict[:-1]},}}"
    assert parse_body(lenient.encode(), DatasetBody) == parse_body(strict.encode(), DatasetBody)


@given(st.binary() | st.text(alphabet=string.punctuation + " \n1a").map(str.encode))
def test_any_bytes_are_a_body_or_a_refusal(content: bytes) -> None:
    try:
        parse_body(content, DatasetBody)
    except InvalidRequestError as error:
        assert error.message.startswith("The request body is")  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 1_000_000,
        b'{"a":' * 100_000,
        b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1),
        b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}",
    ],
)
def test_a_deep_body_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidRequestError, match=r"nested deeper than 16|malformed|truncated"):
        parse_body(content, DatasetBody)


@pytest.mark.parametrize(
    "content",
    [
        b'{"annotationKind": NaN}',
        b'{"annotationKind": 1e999}',
        b'{"annotationKind": ' + b"1" * 5000 + b"}",
        b'{"annotationKind": "\xff"}',
        b'{"annotationKind": "\xff",}',
        b'{"annotationKind": "\\ud800"}',
        '{"annotationKind": "x"}'.encode("utf-16"),
        b'{"a": 1}, ' + b" " * MAX_LENIENT_BYTES,
    ],
)
def test_what_is_not_json_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="is not what the operation takes"):
        parse_body(content, DatasetBody)


def test_a_refusal_names_the_key_as_the_contract_spells_it() -> None:
    with pytest.raises(InvalidRequestError, match=r"`timeBudgetInHours` - at `\$.trainingParameters`"):
        parse_body(b'{"TRAININGPARAMETERS": {"TrainingDatasetName": "d"}}', ModelBody)
