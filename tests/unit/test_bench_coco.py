"""The bounds of `./darkroom bench coco`: they say what the figures must keep to, and when they do not apply."""

import pytest

from bench.cocofile.bounds import BOUNDS, figure, holds


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("fold_speedup_clustered_1m", 30.0, True),
        ("fold_speedup_clustered_1m", 29.9, False),
        ("fold_bytes_share_clustered_1m", 0.01, True),
        ("fold_bytes_share_clustered_1m", 0.011, False),
        ("decode_speedup_json", 1.1, True),
        ("decode_speedup_json", 1.0, False),
        ("reconcile_listing_share", 0.1, True),
    ],
)
def test_a_figure_holds_up_to_its_bound_and_one_without_a_bound_always(
    name: str, value: float, *, expected: bool
) -> None:
    assert holds(name, value) is expected


def test_a_figure_shows_its_bound_in_words() -> None:
    found = figure("snapshot_seconds_1m", 61.234, "s")
    assert (found.value, found.bound, found.ok) == (61.23, "<= 60", False)


def test_a_try_out_with_fewer_pictures_keeps_the_name_tells_the_number_and_has_no_bound() -> None:
    found = figure("fold_speedup_clustered_1m", 2.0, "times", pictures=50_000)
    assert (found.name, found.bound, found.ok) == ("fold_speedup_clustered_1m", "", True)
    assert "50,000 pictures" in found.unit


def test_figures_of_small_files_are_bounded_in_a_try_out_too() -> None:
    assert not figure("fold_over_rewrite_10k", 1.3, "", pictures=50_000).ok


@pytest.mark.parametrize("name", sorted(BOUNDS))
def test_every_bound_can_be_missed(name: str) -> None:
    assert not (holds(name, 10**9) and holds(name, 0.0))
