"""How many pictures a second the engine answers, against the limit and against a plain endpoint, in turns."""

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx
import psutil

import samples
from bench.report import Figure
from bench.serving.bounds import figure
from bench.serving.children import ROOT, Asked
from bench.serving.home import Home, say, wait_for
from devhost.ports import Ports

CLIENTS: Final = 8
CROWDS: Final = (64, 200)
PEER_THREADS: Final = (0, 1)  # onnxruntime's: its default, one a core, and one
_WARM_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Load:
    """What a server did under load.

    Attributes:
        rate: Answers a second.
        clients_share: CPU that the clients took, of all there is.
        server_ms: CPU of the server a request.
        latencies: ms, sorted.
        failures: How many answers were none, or not 200.
        fewest: Answers of the client that got the fewest.
        most: Answers of the client that got the most.
    """

    rate: float
    clients_share: float
    server_ms: float
    latencies: Sequence[float]
    failures: int
    fewest: int
    most: int


def percentile(ordered: Sequence[float], share: float) -> float:
    """Returns the nearest-rank percentile of sorted values; nan of none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def measure(home: Home, *, rounds: int, seconds: float) -> tuple[list[Figure], dict[str, Any]]:
    """Measures in rounds: limit, engine, peer, one after the other."""
    home.services.stop_one("host")  # nothing but the server, its clients and an idle store
    cores = os.process_cpu_count() or 1
    with ExitStack() as stack:
        clients = stack.enter_context(Asked("clients"))
        where = ["--backbone", str(home.backbone), "--model", str(home.model_file), "--picture", str(home.picture)]
        limits = [stack.enter_context(Asked("limit", where)) for _ in range(cores)]
        load = Loader(clients, home, seconds, cores)
        _limit_rate(limits, _WARM_SECONDS)
        threads = _better_peer(home, load)
        peer, peer_pid = stack.enter_context(_peer(home, threads))
        engine_pid = home.services.pids["engine"]
        engine, plain, limit = list[Load](), list[Load](), list[float]()
        for number in range(rounds):
            limit.append(_limit_rate(limits, seconds))
            engine.append(load(home.engine_target, engine_pid, CLIENTS))
            plain.append(load(peer, peer_pid, CLIENTS))
            rates = f"limit {limit[-1]:.1f}/s, engine {engine[-1].rate:.1f}/s, peer {plain[-1].rate:.1f}/s"
            say(f"round {number + 1}: {rates}")
        crowds = {count: load(home.engine_target, engine_pid, count) for count in CROWDS}
    home.services.start_one("host")
    details = {
        "cores": cores,
        "peer_threads": threads,
        "limit_per_s": limit,
        "engine_per_s": [one.rate for one in engine],
        "plain_per_s": [one.rate for one in plain],
        "clients_share": [one.clients_share for one in engine],
    }
    return _figures(limit, engine, plain, crowds), details


def _figures(
    limit: Sequence[float], engine: Sequence[Load], plain: Sequence[Load], crowds: dict[int, Load]
) -> list[Figure]:
    median = statistics.median
    shares = [one.rate / (most * (1 - one.clients_share)) for most, one in zip(limit, engine, strict=True)]
    over = [ours.rate / theirs.rate for ours, theirs in zip(engine, plain, strict=True)]
    latencies = sorted(ms for one in engine for ms in one.latencies)
    figures = [
        figure("throughput_share_of_limit", median(shares), "of the limit less the clients' CPU, median of rounds"),
        figure("throughput_over_plain_endpoint", median(over), "times, median of rounds"),
        figure("throughput_per_s", median(one.rate for one in engine), "pictures/s"),
        figure("limit_per_s", median(limit), "pictures/s, nothing subtracted"),
        figure("plain_endpoint_per_s", median(one.rate for one in plain), "pictures/s"),
        figure("clients_cpu_share", median(one.clients_share for one in engine), "of all CPU, beside the engine"),
        figure("server_cpu_ms", median(one.server_ms for one in engine), "ms a request"),
        figure("plain_endpoint_cpu_ms", median(one.server_ms for one in plain), "ms a request"),
        figure("p50_ms", percentile(latencies, 0.50), f"ms, {CLIENTS} clients"),
        figure("p99_ms", percentile(latencies, 0.99), f"ms, {CLIENTS} clients"),
    ]
    for count, one in crowds.items():
        figures.append(figure(f"p99_ms_{count}_clients", percentile(one.latencies, 0.99), "ms"))
        figures.append(figure(f"fewest_over_most_{count}_clients", one.fewest / max(one.most, 1), "answers a client"))
    failures = sum(one.failures for one in (*engine, *crowds.values()))
    return [*figures, figure("failures", failures, f"requests with {CLIENTS}, {CROWDS[0]} and {CROWDS[1]} clients")]


class Loader:
    """Puts servers under load with the clients of one process."""

    def __init__(self, clients: Asked, home: Home, seconds: float, cores: int) -> None:
        self._clients = clients
        self._home = home
        self._seconds = seconds
        self._cores = cores

    def __call__(self, target: dict[str, Any], pid: int, clients: int) -> Load:
        """Warms a server up, then measures it."""
        question = {"targets": [target], "picture": str(self._home.picture), "clients": clients}
        self._clients.ask(**question, seconds=_WARM_SECONDS)
        before = _cpu_seconds(pid)
        answer = self._clients.ask(**question, seconds=self._seconds)
        [found] = answer["targets"]
        done = len(found["latencies"])
        return Load(
            rate=done / answer["wall"],
            clients_share=answer["cpu"] / (answer["wall"] * self._cores),
            server_ms=1000 * (_cpu_seconds(pid) - before) / max(done, 1),
            latencies=found["latencies"],
            failures=sum(found["failures"].values()),
            fewest=found["per_client"][0],
            most=found["per_client"][-1],
        )


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _limit_rate(limits: Sequence[Asked], seconds: float) -> float:
    """Returns the pictures a second of all processes together."""
    for one in limits:
        one.send(seconds=seconds)
    answers = [one.answer() for one in limits]
    return float(sum(answer["pictures"] / answer["wall"] for answer in answers))


def _better_peer(home: Home, load: Loader) -> int:
    """Returns the number of onnxruntime's threads with which the peer is quicker."""
    rates = {}
    for threads in PEER_THREADS:
        with _peer(home, threads) as (target, pid):
            rates[threads] = load(target, pid, CLIENTS).rate
    say(f"the peer answers {rates[0]:.1f}/s with onnxruntime's default threads, {rates[1]:.1f}/s with one")
    return max(rates, key=lambda threads: rates[threads])


@contextmanager
def _peer(home: Home, threads: int) -> Iterator[tuple[dict[str, Any], int]]:
    port = Ports.free().engine
    command = [sys.executable, "-m", "bench.serving.plain", "--backbone", str(home.backbone)]
    command += ["--labels", str(len(samples.LABELS)), "--threads", str(threads), "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT)  # noqa: S603 - our own module
    target = {"port": port, "path": "/analyze", "headers": {"Content-Type": "image/jpeg"}}
    try:
        wait_for(lambda: _answers(port), "the plain endpoint", pause=0.1)
        yield target, process.pid
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=2, trust_env=False).status_code > 0
    except httpx.HTTPError:
        return False
