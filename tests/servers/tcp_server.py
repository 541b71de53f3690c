"""A server that others reach over TCP, as those of a fleet do."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from tests.real_server import RealServer


class TcpServer(RealServer):
    """One server on a port of this machine, and on a socket for the test's own looks."""

    def __init__(self, binary: Path, *settings: str) -> None:
        self.port = free_port()
        manners = ("bind 127.0.0.1", f"port {self.port}", "protected-mode no", "repl-diskless-sync-delay 0")
        super().__init__(binary, *manners, *settings)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def runs(self) -> bool:
        return self._process is not None


_FIRST, _LAST, _BUS = 12_000, 22_000, 10_000
"""ports, each with one for the bus of a Cluster so much above it: all are below those that the system hands out"""
_given: set[int] = set()


def free_port() -> int:
    """A port where nobody listens, given to nobody else in this process."""
    while True:
        port = random.randrange(_FIRST, _LAST)
        if port in _given:
            continue
        with socket.socket() as candidate, socket.socket() as bus:
            try:
                candidate.bind(("127.0.0.1", port))
                bus.bind(("127.0.0.1", port + _BUS))
            except OSError:
                continue
            _given.add(port)
            return port
