"""What the demo prints: the table, the accuracy with its interval, the JSON object, the running lines."""

import io

import pytest

from devhost.console import Console
from devhost.demo_report import Answer, Outcome, accuracy, interval, report, show

ANSWERS = (
    Answer("nut/1.jpg", "nut", "nut", 0.75),
    Answer("nut/2.jpg", "nut", "bolt", 0.5),
    Answer("bolt/1.jpg", "bolt", "bolt", 1.0),
    Answer("bolt/2.jpg", "bolt", "bolt", 0.9),
)
OUTCOME = Outcome("parts.0123456789ab.1", "0123456789ab", ANSWERS)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_json_object_has_exactly_the_documented_keys() -> None:
    assert report("parts", OUTCOME, {"upload": 1.5}) == {
        "ok": True,
        "dataset": "parts",
        "version": "parts.0123456789ab.1",
        "snapshot": "0123456789ab",
        "accuracy": 0.75,
        "hops": {"upload": 1.5},
        "predictions": [
            {"picture": one.picture, "truth": one.truth, "label": one.label, "confidence": one.confidence}
            for one in ANSWERS
        ],
    }


@pytest.mark.parametrize(
    ("right", "asked", "low", "high"),
    [(0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (81, 263, 0.255, 0.366), (15, 148, 0.062, 0.160)],
)
def test_the_interval_is_wilsons(right: int, asked: int, low: float, high: float) -> None:
    """Figures of Newcombe, Statistics in Medicine 17 (1998), table I, and of the closed forms at 0 and n."""
    assert interval(right, asked) == pytest.approx((low, high), abs=6e-4)


def test_the_outcome_is_a_table_with_its_accuracy_interval_and_times() -> None:
    stream = io.StringIO()
    show(OUTCOME, {"upload": 1.25, "fold": 2.0}, Console(stream))
    lines = stream.getvalue().splitlines()
    assert lines[1] == "picture     truth  label  confidence"
    assert lines[3] == "nut/2.jpg   nut    bolt   0.500       wrong"
    assert "held-out accuracy  75.0% (3 of 4; 95 % interval 30% to 95%)" in lines
    assert lines[-1] == "seconds            upload 1.2, fold 2.0"


def test_of_many_predictions_only_the_wrong_ones_are_shown() -> None:
    stream = io.StringIO()
    many = ANSWERS * 20
    show(Outcome("v", "s", many), {}, Console(stream))
    assert stream.getvalue().count("wrong") == 20
    assert "and 60 right answers" in stream.getvalue()
    assert accuracy(many) == 0.75


def test_a_log_gets_a_count_only_after_two_seconds_without_a_line() -> None:
    now, stream = [0.0], io.StringIO()
    console = Console(stream, clock=lambda: now[0])
    for second in (0.5, 1.0, 2.5, 3.0, 5.0):
        now[0] = second
        console.progress(f"at {second}")
    assert stream.getvalue() == "   2.5 s  at 2.5\n   5.0 s  at 5.0\n"


def test_a_terminal_rewrites_a_count_until_a_line_stays() -> None:
    stream = Terminal()
    console = Console(stream, clock=lambda: 0.0)
    console.progress("one")
    console.progress("one")
    console.progress("two")
    console.say("done")
    erase = "\r\x1b[K"
    assert stream.getvalue() == f"{erase}   0.0 s  one{erase}   0.0 s  two{erase}   0.0 s  done\n"
