"""Where the services listen: stable ports by default, free ones for demos and tests; always on 127.0.0.1."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from devhost.azurite import StoragePorts
from devhost.errors import PortBusyError


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens, on 127.0.0.1."""

    host: int = 7071
    engine: int = 7080
    blob: int = 10000
    queue: int = 10001
    table: int = 10002

    @classmethod
    def free(cls) -> Self:
        """Returns five ports that nothing uses now."""
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket()) for _ in range(5)]
            for one in sockets:
                one.bind(("127.0.0.1", 0))
            return cls(*(one.getsockname()[1] for one in sockets))

    @property
    def storage(self) -> StoragePorts:
        """Azurite's part of them."""
        return StoragePorts(self.blob, self.queue, self.table)

    def named(self) -> Iterator[tuple[str, int]]:
        """Yields each port with the name of its option."""
        yield from (("host", self.host), ("engine", self.engine))
        yield from (("blob", self.blob), ("queue", self.queue), ("table", self.table))

    def check_free(self, *, without: frozenset[str] = frozenset()) -> None:
        """Makes sure that nothing listens on them, except on those named in `without`.

        Raises:
            PortBusyError: A port is in use; the message has the remedy.
        """
        for name, port in self.named():
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    if name not in without:
                        probe.bind(("127.0.0.1", port))
                except OSError as error:
                    raise PortBusyError(
                        f"port {port} ({name}) is in use: stop what listens there, or choose another with --{name}-port"
                    ) from error
