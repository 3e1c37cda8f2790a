"""Ten minutes of everything at once, with kills: no answer is a 5xx, no job is lost, memory does not grow.

An engine (`python -m engine`, built-in features, two workers) is called by four threads: good and damaged pictures,
polls, lists, data sets that come and go, trainings, evaluations, their reports, exports, cancellations, deletions; the
number of models stays steady. Meanwhile job processes are killed (SIGKILL) every few seconds, and in the first minute
the engine itself four times; it is started again on the same folder. That is over when the second minute begins, so
that the process whose memory is compared is one and the same.

A call that meets no engine, or one that dies, has no answer: that is no server error. A job is *lost* when its PUT was
answered with 201 and it neither comes to an end (succeeded, failed with a reason, cancelled) nor was deleted by its
caller.
"""

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

from bench.report import SERVING_PACKAGES, Figure, by_name, keep_result, print_figures, revision
from bench.serving.home import say
from bench.soaking.chaos import Chaos
from bench.soaking.clients import BASE, Caller, Visitor
from bench.soaking.pictures import BAD, GOOD, PictureServer
from bench.soaking.process import EngineProcess
from bench.soaking.record import ENDED, Record

RESULTS: Final = Path(__file__).with_name("results") / "soak"
CALLERS: Final = 4
SEED: Final = 0
GROWTH: Final = 1.1
_PATIENCE: Final = 120.0  # s, for what is still to be done at the end


def main(arguments: list[str]) -> int:
    """Runs the suite; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="./darkroom bench soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="3 or more (default 10)")
    parser.add_argument("--write", action="store_true", help="keep the figures in bench/results/soak")
    parser.add_argument("--json", action="store_true", help="print one JSON object, last")
    options = parser.parse_args(arguments)
    if options.minutes < 3:
        parser.error(f"--minutes {options.minutes:g}: the last minute must come after the second; give 3 or more")
    at = revision()
    with tempfile.TemporaryDirectory(prefix="darkroom-soak-", ignore_cleanup_errors=True) as folder:
        figures, details = _soak(Path(folder), options.minutes * 60)
    if options.write:
        keep_result(
            RESULTS / "soak.json",
            by_name(figures),
            at=at,
            seed=SEED,
            config={"minutes": options.minutes, "callers": CALLERS, "cores": os.cpu_count()},
            packages=SERVING_PACKAGES,
            details=details,
        )
    return print_figures("soak", figures, as_json=options.json)


def _soak(folder: Path, seconds: float) -> tuple[list[Figure], dict[str, Any]]:
    record = Record()
    with PictureServer() as server, EngineProcess(folder, server.host) as engine:
        chaos = Chaos(engine, random.Random(SEED))  # noqa: S311 - not for secrets
        caller = Caller(engine.endpoint, record, chaos.killing)
        _prepare(caller, server)
        say(f"everything at once for {seconds:g} s")
        _call_and_kill(engine, record, chaos, server, seconds)
        lost = _lost_jobs(caller, record)
        caller.close()
        for example in record.server_errors:
            say(f"server error: {example}")
        if record.server_errors or lost:
            say(engine.tail())
    return _figures(record, chaos, lost, seconds), _details(record, chaos, lost)


def _prepare(caller: Caller, server: PictureServer) -> None:
    """Registers the data sets that stay, and trains the model that stays."""
    for name in (*GOOD, *BAD):
        kind = "imageObjectDetection" if name == "detection" else "imageClassification"
        caller.register(name, server.annotations(name), kind=kind)
    caller.train(BASE, GOOD[0])
    until = time.monotonic() + _PATIENCE
    while (status := caller.look(BASE)) not in ENDED and time.monotonic() < until:
        time.sleep(0.2)
    if status != "succeeded":
        raise SystemExit(f"the first model is '{status}' after {_PATIENCE:g} s; it must succeed before the soak")


def _call_and_kill(engine: EngineProcess, record: Record, chaos: Chaos, server: PictureServer, seconds: float) -> None:
    stop = threading.Event()
    visitors = [
        Visitor(
            str(number),
            Caller(engine.endpoint, record, chaos.killing),
            record,
            server,
            random.Random(SEED + number),  # noqa: S311 - not for secrets
        )
        for number in range(1, CALLERS + 1)
    ]
    threads = [threading.Thread(target=visitor.play, args=(stop,)) for visitor in visitors]
    for thread in threads:
        thread.start()
    try:
        chaos.run(seconds)
    finally:
        dead = sum(not thread.is_alive() for thread in threads)
        stop.set()
        for thread in threads:
            thread.join()
    if dead:
        raise SystemExit(f"{dead} callers ended before their time; see above for the reason")


def _lost_jobs(caller: Caller, record: Record) -> list[str]:
    """Waits for all accepted jobs, with no more kills; returns those that came to no end, each with its status."""
    lost, until = list(record.jobs()), time.monotonic() + _PATIENCE
    while lost and time.monotonic() < until:
        lost = [path for path in lost if caller.look(path) not in ENDED]
        time.sleep(0.2)
    last = record.jobs()
    return [f"{path}: {last[path]}" for path in lost]


def _figures(record: Record, chaos: Chaos, lost: list[str], seconds: float) -> list[Figure]:
    ratio = chaos.memory_of_minute(seconds - 60) / chaos.memory_of_minute(60)
    errors = record.server_error_count
    return [
        Figure("server_errors", errors, "answers", "0", errors == 0),
        Figure("lost_jobs", len(lost), "jobs", "0", not lost),
        Figure("memory_ratio", round(ratio, 4), "last minute / second minute", f"<= {GROWTH}", ratio <= GROWTH),
        Figure("memory_last_minute", round(chaos.memory_of_minute(seconds - 60) / 2**20, 1), "MiB"),
        Figure("requests", record.requests, "answers"),
        Figure("refused_while_killed", record.refused, "calls"),
        Figure("unanswered_otherwise", sum(record.unanswered.values()), "calls"),
        Figure("job_kills", chaos.job_kills, "kills"),
        Figure("engine_kills", chaos.engine_kills, "kills"),
    ]


def _details(record: Record, chaos: Chaos, lost: list[str]) -> dict[str, Any]:
    outcomes = dict(record.outcomes)
    for status in record.jobs().values():
        outcomes[status] = outcomes.get(status, 0) + 1
    minutes = range(int(chaos.memory[-1][0] // 60) + 1)
    return {
        "statuses": {str(status): count for status, count in sorted(record.statuses.items())},
        "jobs": outcomes,
        "lost": lost,
        "unanswered": dict(record.unanswered),
        "memory_mib_by_minute": [round(chaos.memory_of_minute(60 * minute) / 2**20, 1) for minute in minutes],
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
