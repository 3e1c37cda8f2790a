"""Whatever is uploaded, replaced, relabelled, lost, repeated, reordered or killed: the COCO file equals the container.

`EXAMPLES` is how many sequences are tried; DARKROOM_EXAMPLES in the environment sets another number.
"""

import os
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings

from shared.dataset import LOCK
from tests.coco_steps import STEPS, Player, Step
from tests.pictures import draw
from tests.world import World

EXAMPLES = int(os.environ.get("DARKROOM_EXAMPLES", "2000"))


@pytest.mark.slow
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


def test_facts_that_waited_in_the_queue_are_not_believed_of_a_newer_version() -> None:
    world = World()
    lease = world.registry_blobs.lease(LOCK, timedelta(seconds=30))
    world.drop("parts/images/nut/1.jpg", draw(1))  # somebody else folds: the facts wait
    world.training.write("parts/images/nut/1.jpg", draw(2, size=(80, 80)))
    assert lease is not None
    lease.release()
    assert world.fold() == 1
    assert [(image["width"], image["height"]) for image in world.live()["images"]] == [(80, 80)]
