"""Callers in a process of their own, `python -m bench.serving.clients`, over bare sockets: they cost next to nothing.

A question is `{"targets": [{"port", "path", "headers"}], "picture": path, "clients": n, "seconds": s}`. Each client
keeps one connection a target, sends the picture to one target after the other, and waits for each answer. The answer
has per target the latencies in ms, the statuses that were not 200, and how many answers each client got.
"""

import asyncio
import resource
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.serving.children import answer_questions

ANSWER_TIMEOUT: Final = 30.0  # s
_HEAD_END: Final = b"\r\n\r\n"


@dataclass
class Tally:
    """What one target answered."""

    latencies: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    per_client: list[int] = field(default_factory=list)


class Connection(asyncio.Protocol):
    """One kept-alive HTTP/1.1 connection with one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._length = -1  # of the whole answer, once its head is in
        self._answer: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = transport if isinstance(transport, asyncio.Transport) else None

    def data_received(self, data: bytes) -> None:
        """Completes the answer when its last byte is in."""
        self._buffer += data
        if self._length < 0:
            end = self._buffer.find(_HEAD_END)
            if end < 0:
                return
            self._length = end + len(_HEAD_END) + content_length(bytes(self._buffer[:end]))
        if len(self._buffer) >= self._length and self._answer is not None and not self._answer.done():
            self._answer.set_result(int(self._buffer[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fails the answer that is waited for."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed"))

    async def ask(self, request: bytes) -> int:
        """Sends a request and returns the answer's status.

        Raises:
            OSError: The connection broke, or there was no answer in time.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("closed")
        self._buffer.clear()
        self._length = -1
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(ANSWER_TIMEOUT):
            return await self._answer

    def close(self) -> None:
        """Closes it."""
        if self._transport is not None:
            self._transport.close()


def content_length(head: bytes) -> int:
    """Returns what a head announces; 0 when it announces nothing."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def request_bytes(target: dict[str, Any], picture: bytes) -> bytes:
    """Returns a POST of the picture."""
    headers = {"Host": f"127.0.0.1:{target['port']}", "Content-Length": len(picture), **target["headers"]}
    lines = [f"POST {target['path']} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + _HEAD_END + picture


async def _client(targets: list[dict[str, Any]], requests: list[bytes], tallies: list[Tally], until: float) -> None:
    loop = asyncio.get_running_loop()
    connections: list[Connection | None] = [None] * len(targets)
    counts = [0] * len(targets)
    while time.perf_counter() < until:
        for number, (target, request, tally) in enumerate(zip(targets, requests, tallies, strict=True)):
            began = time.perf_counter()
            try:
                connection = connections[number]
                if connection is None:
                    _, connection = await loop.create_connection(Connection, "127.0.0.1", target["port"])
                    connections[number] = connection
                    began = time.perf_counter()
                status = await connection.ask(request)
            except OSError as exc:
                tally.failures[type(exc).__name__] += 1
                connections[number] = None
                continue
            if status == 200:
                tally.latencies.append(1000 * (time.perf_counter() - began))
                counts[number] += 1
            else:
                tally.failures[str(status)] += 1
    for connection, count, tally in zip(connections, counts, tallies, strict=True):
        tally.per_client.append(count)
        if connection is not None:
            connection.close()


async def _measure(question: dict[str, Any]) -> dict[str, Any]:
    targets, picture = question["targets"], Path(question["picture"]).read_bytes()
    requests = [request_bytes(target, picture) for target in targets]
    tallies = [Tally() for _ in targets]
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    until = began + question["seconds"]
    await asyncio.gather(*(_client(targets, requests, tallies, until) for _ in range(question["clients"])))
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    return {
        "wall": wall,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "targets": [
            {"latencies": sorted(tally.latencies), "failures": tally.failures, "per_client": sorted(tally.per_client)}
            for tally in tallies
        ],
    }


if __name__ == "__main__":
    answer_questions(lambda question: asyncio.run(_measure(question)))
