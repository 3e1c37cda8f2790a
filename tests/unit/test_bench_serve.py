"""What `./darkroom bench serve` computes from what it measured."""

import math

import pytest

from bench.serve import main
from bench.serving.bounds import figure
from bench.serving.clients import content_length, request_bytes
from bench.serving.throughput import percentile


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("throughput_share_of_limit", 0.75, True),
        ("throughput_share_of_limit", 0.7499, False),
        ("predict_overhead_ms_p50", 8.0, True),
        ("predict_overhead_ms_p50", 8.001, False),
        ("p99_ms", 1e9, True),
    ],
)
def test_a_figure_holds_up_to_its_bound_and_one_without_a_bound_always(
    name: str, value: float, *, expected: bool
) -> None:
    assert figure(name, value, "").ok is expected


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 3.0
    assert percentile([1.0, 2.0], 0.99) == 2.0
    assert math.isnan(percentile([], 0.5))


def test_a_request_is_one_post_of_the_picture() -> None:
    target = {"port": 8080, "path": "/x?y=1", "headers": {"Content-Type": "image/jpeg"}}
    head, _, body = request_bytes(target, b"\xff\xd8").partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"POST /x?y=1 HTTP/1.1"
    assert (content_length(head), body) == (2, b"\xff\xd8")


def test_an_answer_without_a_length_has_none() -> None:
    assert content_length(b"HTTP/1.1 204 No Content\r\nserver: x") == 0


def test_the_suite_asks_for_its_backbone_by_the_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ENGINE_BACKBONE", raising=False)
    with pytest.raises(SystemExit):
        main([])
    assert "--backbone DIR" in capsys.readouterr().err
