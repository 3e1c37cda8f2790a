"""kill -9 at random moments: every picture in the COCO file exactly once, one promoted model, no double training."""

import contextlib
import itertools
import random
import time
from collections import Counter
from pathlib import Path
from threading import Event, Thread

import psutil
import pytest
from azure.core.exceptions import AzureError

from devhost.services import Services
from tests.home import Home, home
from tests.pictures import draw
from tests.waiting import wait_until

LABELS = ("nut", "bolt", "washer")
PER_LABEL = 12


def kill_a_job(services: Services) -> bool:
    """Kill a job process of the engine, if one runs."""
    engine = services.pids.get("engine")
    jobs = psutil.Process(engine).children(recursive=True) if engine else []
    for job in jobs:
        job.kill()
    return bool(jobs)


@pytest.mark.slow
def test_ten_kills_at_random_moments_of_the_loop_lose_nothing_and_train_nothing_twice(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    rng = random.Random(seed)
    with home(tmp_path, revive=False, MIN_PICTURES_PER_LABEL=str(PER_LABEL)) as product:
        pictures = [
            (f"parts/images/{label}/{n}.jpg", draw(n + 1000 * i))
            for i, label in enumerate(LABELS)
            for n in range(PER_LABEL)
        ]
        rng.shuffle(pictures)

        def drip() -> None:
            for picture in pictures:
                product.upload([picture], threads=1)

        uploading = Thread(target=drip)
        uploading.start()
        for kill in range(10):
            time.sleep(rng.uniform(0.1, 1.5))  # a random moment is the point of this test
            victim = ("host", "engine", "job")[kill % 3]
            if victim == "job" and kill_a_job(product.services):
                continue
            target = "host" if victim == "job" else victim
            product.services.kill(target)
            product.services.start_one(target)
        uploading.join()
        paths = sorted(path for path, _ in pictures)
        wait_until(lambda: product.folded("parts") == paths, f"all pictures are in the file (seed {seed})", timeout=120)
        champion = product.wait_for_champion("parts", timeout=180)
        assert Counter(image["file_name"] for image in product.live("parts")["images"]) == Counter(paths)
        versions = [version["version"] for version in (product.status("parts") or {})["versions"]]
        assert versions == [champion], f"seed {seed}"
        assert product.engine_models() == [champion]
        log = list(product.registry.list_blob_names(name_starts_with="parts/log/"))
        assert log == ["parts/log/00000001.json"]


@pytest.mark.slow
def test_after_azurite_was_killed_one_reconcile_makes_the_file_equal_the_container(tmp_path: Path) -> None:
    with home(tmp_path, revive=False) as product:
        product.upload((f"parts/images/nut/{n}.jpg", draw(n)) for n in range(40))
        stop = Event()
        uploading = Thread(target=_upload_until, args=(stop, product))
        uploading.start()
        wait_until(lambda: len(product.folded("parts")) > 20, "a part is folded")
        database = tmp_path / "azurite" / "__azurite_db_blob__.json"
        wait_until(lambda: "parts/images/nut" in database.read_text(), "Azurite has saved some of it")
        product.services.kill("azurite")
        product.services.start_one("azurite")
        stop.set()
        uploading.join()
        product.reconcile()
        wait_until(
            lambda: product.folded("parts") == product.listed("parts"),
            "the file equals the container's listing",
            timeout=120,
            pause=0.5,
        )
        assert product.listed("parts")
        etags = {blob.name: blob.etag for blob in product.training.list_blobs(name_starts_with="parts/images/")}
        assert {image["file_name"]: image["etag"] for image in product.live("parts")["images"]} == etags


def _upload_until(stop: Event, product: Home) -> None:
    for n in itertools.count(1000):
        if stop.is_set():
            return
        with contextlib.suppress(AzureError):  # what storage does not take while it is down is not promised
            product.training.upload_blob(f"parts/images/bolt/{n}.jpg", draw(n))
