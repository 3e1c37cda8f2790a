import pytest

from engine.budget import EMBEDDING, Forecast
from engine.messages import Progress
from engine.outcomes import OutOfTime


def forecast(seconds: float, *lines: tuple[float, int, int], hour_seconds: float = 3600) -> Forecast:
    """After 5 s of other things, and then lines of (elapsed, pictures, of how many)."""
    made = Forecast(seconds, hour_seconds)
    made.note(Progress("read_training_annotations", 0.9), 1)
    made.note(Progress(EMBEDDING, 0.0, 0, lines[0][2] if lines else 0), 5)
    for elapsed, pictures, total in lines:
        made.note(Progress(EMBEDDING, pictures / total, pictures, total), elapsed)
    return made


def test_a_training_that_would_take_more_than_twice_its_budget_is_hopeless() -> None:
    made = forecast(3600, (45, 100, 20_000))  # 8,000 s in all
    assert made.is_hopeless(45)
    assert made.out_of_time(early=True) == OutOfTime(0.005, pytest.approx(8005 / 3600), early=True)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ((45.0, 100, 15_000), "less than twice the budget"),
        ((45.0, 63, 20_000), "too few pictures"),
        ((34.0, 64, 200_000), "too few seconds"),
        ((9_000.0, 100, 100), "all read"),
    ],
)
def test_a_training_is_not_given_up_without_a_fair_sample(line: tuple[float, int, int], why: str) -> None:
    assert not forecast(3600, line).is_hopeless(line[0]), why


def test_pictures_whose_features_are_kept_count_for_nothing() -> None:
    made = Forecast(3600)
    made.note(Progress(EMBEDDING, 0.0, 0, 100), 5)
    made.note(Progress(EMBEDDING, 0.001, 90, 100), 50)  # of 90,000 pictures, 100 are new and come first
    assert not made.is_hopeless(50)


def test_hours_are_as_long_as_the_engine_says() -> None:
    made = forecast(3.6, (5.045, 100, 20_000), hour_seconds=3.6)
    assert made.is_hopeless(5.045)


def test_nothing_is_foreseen_before_the_first_picture() -> None:
    assert forecast(3600).out_of_time(early=False) == OutOfTime(0.0, None)
    assert not forecast(3600).is_hopeless(3000)
