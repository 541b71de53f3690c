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


def free_port() -> int:
    """A port where nobody listens: below those that the system hands out, and low enough for the bus of a Cluster."""
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as candidate, socket.socket() as bus:
            try:
                candidate.bind(("127.0.0.1", port))
                bus.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            return port
