"""kill -9 and restarts: no event is lost."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.devhost_support import HOURLY, Home, home_in
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    yield from home_in(tmp_path_factory.mktemp("home"), sweep=600)


def killed(home: Home, name: str) -> None:
    """Kill a service and wait until it runs again."""
    old = home.services.pids[name]
    home.services.kill(name)
    wait_until(lambda: home.services.pids.get(name, old) != old, f"{name} is started again")
    home.services.wait(name)


def test_a_delivery_in_progress_when_the_host_is_killed_is_repeated(home: Home) -> None:
    home.training.upload_blob("x/images/hold.png", b"x")
    home.wait_for("holding", blob="x/images/hold.png")
    killed(home, "host")
    home.wait_for("holding", blob="x/images/hold.png", count=2)
    home.training.delete_blob("x/images/hold.png")


def test_a_deletion_that_could_not_be_told_yet_survives_the_host(home: Home) -> None:
    home.training.upload_blob("y/images/bad.png", b"x")
    home.wait_for("failed", blob="y/images/bad.png", count=5)
    home.training.delete_blob("y/images/bad.png")
    event = home.wait_for("forget failed", **home.forgotten("y/images/bad.png"))[0]["id"]
    killed(home, "host")
    before = len(home.notes("forget failed", id=event))
    home.wait_for("forget failed", id=event, count=before + 1)


def test_what_changed_while_the_host_was_down_is_found_at_its_start(home: Home) -> None:
    for name in ("kept", "replaced", "deleted"):
        home.training.upload_blob(f"down/images/{name}.png", b"1")
        home.wait_for("picture", blob=f"down/images/{name}.png")
    home.services.stop_one("host")
    home.training.upload_blob("down/images/new.png", b"1")
    home.training.upload_blob("down/images/replaced.png", b"2", overwrite=True)
    home.training.delete_blob("down/images/deleted.png")
    home.services.start_one("host")
    home.wait_for("picture", blob="down/images/new.png")
    home.wait_for("picture", blob="down/images/replaced.png", count=2)
    home.wait_for("forget", **home.forgotten("down/images/deleted.png"))
    assert len(home.notes("picture", blob="down/images/kept.png")) == 1


def test_events_flow_again_after_azurite_was_killed(home: Home) -> None:
    killed(home, "azurite")
    wait_until(lambda: home.training.exists(), "Azurite answers")
    home.training.upload_blob("again/images/x.png", b"x")
    home.wait_for("picture", blob="again/images/x.png")


def test_events_flow_again_after_the_log_was_emptied(home: Home) -> None:
    os.truncate(home.folder / "logs" / "azurite.log", 0)
    for name in ("cut/images/x.png", "cut/images/y.png"):
        home.training.upload_blob(name, b"x")
        home.wait_for("picture", blob=name)


def test_no_event_is_lost_while_the_host_is_killed_again_and_again(home: Home) -> None:
    versions, deleted = {}, []
    for number in range(60):
        name = f"storm/images/{number}.png"
        versions[name] = home.training.upload_blob(name, b"x").get_blob_properties().etag.strip('"')
        if number % 4 == 0:
            home.wait_for("picture", blob=name)
            home.training.delete_blob(name)
            deleted.append(name)
            del versions[name]
        if number % 20 == 10:
            killed(home, "host")
        elif number % 20 == 15:
            home.services.kill("host")
    for name, version in versions.items():
        home.wait_for("picture", blob=name, etag=version)
    for name in deleted:
        home.wait_for("forget", **home.forgotten(name))


def test_a_missed_timer_is_past_due_after_a_restart(home: Home) -> None:
    home.services.stop_one("host")
    kept = home.folder / "host" / "timers.json"
    status = json.loads(kept.read_text())
    assert status["tick"]["schedule"] == HOURLY
    status["tick"]["next"] = "2026-01-01T00:00:00+00:00"
    kept.write_text(json.dumps(status))
    home.services.start_one("host")
    home.wait_for("tick", past_due=True)


def test_keys_and_secrets_stay_the_same_over_restarts(home: Home) -> None:
    before = (home.services.key, home.services.engine_key, home.services.keys)
    home.services.restart("host")
    assert (home.services.key, home.services.engine_key, home.services.keys) == before


def test_stopping_leaves_no_process_behind(tmp_path: Path) -> None:
    with Home(tmp_path) as home:
        pids = list(home.services.pids.values())
        assert len(pids) == 2
        assert all(psutil.pid_exists(pid) for pid in pids)
    assert not any(psutil.pid_exists(pid) for pid in pids)
