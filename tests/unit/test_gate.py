from typing import get_args

import pytest

from shared.gate import METRICS, Contest, judge
from shared.kinds import Kind

CHAMPION = "parts.0123456789ab.1"


@pytest.mark.parametrize(
    ("contest", "promote", "says"),
    [
        (Contest(0.8, 10), True, "first version; 80.0% of 10 test pictures right"),
        (Contest(0.8, 0), True, "cross-validated, because there are no test pictures"),
        (Contest(0.8, 10, CHAMPION, 0.8), True, f"not worse: 80.0% of 10 test pictures right, {CHAMPION} 80.0%"),
        (Contest(0.7, 10, CHAMPION, 0.8), False, "worse"),
        (Contest(0.9, 0, CHAMPION), False, "no test pictures"),
        (Contest(0.9, 10, CHAMPION), False, "no test pictures to compare"),
        (Contest(0.1, 10, CHAMPION, champion_gone="the engine no longer has it"), True, "can no longer answer"),
        (Contest(0.8, 10, metric="averagePrecision"), True, "first version; average precision 80.0% on 10 test"),
        (Contest(0.8, 0, metric="averagePrecision"), True, "first version; average precision 80.0%, cross-validated"),
        (
            Contest(0.9, 10, CHAMPION, 0.8, metric="meanAveragePrecision50"),
            True,
            f"not worse: mean average precision 90.0% on 10 test pictures, {CHAMPION} 80.0%",
        ),
        (
            Contest(0.7, 10, CHAMPION, 0.8, metric="averagePrecision"),
            False,
            f"worse: average precision 70.0% on 10 test pictures, {CHAMPION} 80.0%",
        ),
    ],
)
def test_the_verdict_and_its_reason(contest: Contest, promote: bool, says: str) -> None:
    verdict = judge(contest)
    assert verdict.promote is promote
    assert says in verdict.reason


def test_every_kind_has_a_metric_to_be_compared_on() -> None:
    assert set(get_args(Kind.__value__)) == set(METRICS)
