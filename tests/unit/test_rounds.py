"""A round over all datasets."""

import pytest

from shared.errors import DarkroomError
from shared.rounds import for_each


def test_a_round_returns_what_came_of_each_dataset() -> None:
    assert for_each(["a", "b"], str.upper) == {"a": "A", "b": "B"}


@pytest.mark.parametrize("failure", [DarkroomError("storage refuses"), KeyError("a fault of our own")])
def test_what_is_wrong_with_one_dataset_holds_up_no_other(failure: Exception) -> None:
    served = []

    def serve(dataset: str) -> None:
        served.append(dataset)
        if dataset == "b":
            raise failure

    with pytest.raises(type(failure)):
        for_each(["a", "b", "c"], serve)
    assert served == ["a", "b", "c"]
