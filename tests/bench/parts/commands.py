"""How many commands a job takes: those that clients send, and those that run inside scripts, kept apart."""

from __future__ import annotations

import re
import socket
import threading
import time
from types import TracebackType
from typing import Self

from tests.bench.contender import Contender
from tests.bench.parts.part import Bench, Figures, Part, Row, queues
from tests.bench.stage import Stage
from tests.bench.verify import verify

JOBS = 2_000
WARM = 50
IDLE_S = 10.0
SETTLE_S = 0.5
_LINE = re.compile(rb"\+[\d.]+ \[\d+ (lua)?")


class Monitor:
    """Sees every command that the server runs. Use as a context manager."""

    def __init__(self, stage: Stage) -> None:
        self._path = str(stage.server.socket)

    def __enter__(self) -> Self:
        self._clients = self._scripts = 0
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(self._path)
        self._socket.sendall(b"MONITOR\r\n")
        self._socket.recv(5)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._socket.close()

    def counted(self) -> tuple[int, int]:
        """Commands of clients, and of scripts, so far."""
        return self._clients, self._scripts

    def _read(self) -> None:
        with self._socket.makefile("rb", buffering=1 << 20) as lines:
            for line in lines:
                if found := _LINE.match(line):
                    self._clients += not found[1]
                    self._scripts += bool(found[1])


def _commands(bench: Bench, contender: Contender) -> Figures:
    jobs = WARM + JOBS
    with bench.stage(contender, jobs) as stage:
        with Monitor(stage) as monitor:
            one = WARM + JOBS // 10
            stage.produce("one", one, warm=WARM)
            enqueuing = monitor.counted()
        stage.fill(jobs - one, first=one)
        with Monitor(stage) as monitor, stage.worker() as worker:
            stage.wait(worker, jobs)
            time.sleep(SETTLE_S)
            running = monitor.counted()
            time.sleep(IDLE_S)
            idle = monitor.counted()
            verify(stage, worker, range(jobs))
    return {
        "enqueue_commands": enqueuing[0] / one,
        "enqueue_scripted": enqueuing[1] / one,
        "run_commands": running[0] / jobs,
        "run_scripted": running[1] / jobs,
        "idle_commands": (idle[0] - running[0]) / IDLE_S,
        "idle_scripted": (idle[1] - running[1]) / IDLE_S,
    }


COMMANDS = Part(
    "commands",
    "commands for a job, enqueued one by one and run in a drain, and those of an idle worker; by MONITOR",
    (
        Row("enqueue_commands", "client commands to enqueue a job alone", "", more_is_better=False),
        Row("enqueue_scripted", "… inside scripts", "", more_is_better=False),
        Row("run_commands", "client commands to run a job", "", more_is_better=False),
        Row("run_scripted", "… inside scripts", "", more_is_better=False),
        Row("idle_commands", "client commands of an idle worker", "1/s", more_is_better=False),
        Row("idle_scripted", "… inside scripts", "1/s", more_is_better=False),
    ),
    queues,
    _commands,
    table="Commands on the server",
    repeated=False,
)
