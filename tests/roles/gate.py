"""Where handlers in threads wait until a test lets them go on."""

from __future__ import annotations

import threading

from tests.roles.parts import PATIENCE_S


class Gate:
    """Where handlers in threads wait until the test lets them go on."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self._open = threading.Event()
        self._lock = threading.Lock()

    def pass_through(self) -> None:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self._open.wait(PATIENCE_S)
        with self._lock:
            self.inside -= 1

    def open(self) -> None:
        self._open.set()
