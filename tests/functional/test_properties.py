"""Whatever is uploaded, replaced, relabelled, lost, repeated, reordered or killed: the COCO file equals the container.

`EXAMPLES` is how many sequences are tried; DARKROOM_EXAMPLES in the environment sets another number.
"""

import os

from hypothesis import HealthCheck, given, settings

from tests.coco_steps import STEPS, Player, Step

EXAMPLES = int(os.environ.get("DARKROOM_EXAMPLES", "2000"))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_whatever_happens_the_file_is_whole_at_every_commit_and_equals_the_container_after_a_reconcile(
    steps: list[Step],
) -> None:
    player = Player()
    player.play(steps)
    player.settle()
    assert player.said() == player.model()
    before = player.state()
    player.settle(1)
    assert player.state() == before, "on datasets that agree nothing is written"
