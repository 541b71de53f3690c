"""Where one measurement of one contender happens: a server of its own, a tally, producers, workers."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from redis import Redis

from jobd.store.server_binary import find_server_binary
from tests.bench.contender import PROGRAMS, Contender
from tests.bench.process import BenchError, Process
from tests.bench.programs.tally import FIRST, LAST, Tally
from tests.real_server import RealServer

PRODUCE_LIMIT_S = 900.0
STALL_LIMIT_S = 60.0
"""a worker that runs no job for so long has failed"""
LOOK_S = 0.01
FSYNC = {
    "off": ["appendonly no"],
    "everysec": ["appendonly yes", "appendfsync everysec"],
    "always": ["appendonly yes", "appendfsync always"],
}


@dataclass(frozen=True)
class Produced:
    """What a producer did."""

    count: int
    seconds: float

    @property
    def per_s(self) -> float:
        return self.count / self.seconds


class Stage:
    """Use as a context manager; at its end nothing of it is left."""

    def __init__(
        self, contender: Contender, executables: Path, jobs: int, *, fsync: str = "off", slow_us: int = 1_000_000
    ) -> None:
        """`executables` is the folder with the contender's programs; `jobs` is how many it will run at most. Commands
        of more than `slow_us` microseconds are kept in the server's slow log."""
        self.contender = contender
        self.jobs = jobs
        self._executables = executables
        self._stack = ExitStack()
        self._settings = [*FSYNC[fsync], f"slowlog-log-slower-than {slow_us}", "slowlog-max-len 10000"]

    def __enter__(self) -> Self:
        with self._stack:
            self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="jobd-bench-")))
            self.server = self._stack.enter_context(RealServer(find_server_binary().path, *self._settings))
            self.redis: Redis = self._stack.enter_context(self.server.client())
            self.tally = Tally.create(self.folder / "tally", self.jobs)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    # --- programs ------------------------------------------------------------------------------------------------

    @contextmanager
    def producing(
        self, way: str, count: int, *, first: int = 0, warm: int = 0, environment: Mapping[str, str] | None = None
    ) -> Iterator[Produced]:
        """Enqueues jobs `first` and on; the producer is still connected inside."""
        runner = "node" if self.contender.language == "node" else self._filled("{python}")
        program = str(PROGRAMS / self.contender.program)
        command = [runner, program, way, "--first", str(first), "--count", str(count), "--warm", str(warm)]
        with self.process(command, environment, "producer") as process:
            said = process.answer(PRODUCE_LIMIT_S)
            yield Produced(said["count"], said["seconds"])

    def produce(
        self, way: str, count: int, *, first: int = 0, warm: int = 0, environment: Mapping[str, str] | None = None
    ) -> Produced:
        """Enqueues jobs `first` and on."""
        with self.producing(way, count, first=first, warm=warm, environment=environment) as produced:
            return produced

    def fill(self, count: int, *, first: int = 0, environment: Mapping[str, str] | None = None) -> None:
        """Enqueues jobs in the quickest way that the contender has."""
        quickest = next(way for way in ("bulk", "flight", "one") if way in self.contender.ways)
        self.produce(quickest, count, first=first, environment=environment)

    @contextmanager
    def worker(self, shape: str = "one", environment: Mapping[str, str] | None = None) -> Iterator[Process]:
        """The contender's worker, starting."""
        command = [self._filled(word) for word in self.contender.workers[shape]]
        with self.process(command, environment, "worker") as process:
            yield process

    def process(self, command: list[str], environment: Mapping[str, str] | None, name: str) -> Process:
        """Any other program, not yet started."""
        return Process(command, self._environment(environment or {}), self.folder / f"{name}.log")

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        unwanted = ("JOBD_", "REDIS_", "QUEUE_", "WORKER_", "BENCH_")
        own = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        path = [str(PROGRAMS)]
        if self.contender.kind != "peer":
            path.append(os.environ.get("PYTHONPATH", ""))
        return {
            **own,
            "PATH": f"{self._executables}{os.pathsep}{own.get('PATH', '')}",
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NODE_PATH": str(self._executables.parent),
            "BENCH_URL": self.server.url,
            "BENCH_SOCKET": str(self.server.socket),
            "BENCH_TALLY": str(self.folder / "tally"),
            **{name: self._filled(value) for name, value in self.contender.environment.items()},
            **more,
        }

    def _filled(self, word: str) -> str:
        return word.format(
            python=self._executables / "python" if self.contender.kind == "peer" else sys.executable,
            bin=self._executables,
            programs=PROGRAMS,
            url=self.server.url,
            socket=self.server.socket,
        )

    # --- what comes of them --------------------------------------------------------------------------------------

    def wait(self, worker: Process, count: int, *, times: int = 1) -> None:
        """Waits until jobs 0 to `count` - 1 have run this many times. Raises BenchError when they do not."""
        self._wait(worker, lambda: self.tally.done(times), count)

    def _wait(self, worker: Process, progress: Callable[[], int], wanted: int) -> None:
        done, since = -1, time.monotonic()
        while (now_done := progress()) < wanted:
            if not worker.alive:
                raise BenchError(f"{worker.name} ended after {now_done} of {wanted} jobs{worker.last_words()}")
            if now_done > done:
                done, since = now_done, time.monotonic()
            elif time.monotonic() - since > STALL_LIMIT_S:
                raise BenchError(
                    f"{worker.name} stopped at {done} of {wanted} jobs for {STALL_LIMIT_S:g} s{worker.last_words()}"
                )
            time.sleep(LOOK_S)

    def rate(self, count: int, *, warm: float = 0.1) -> float:
        """Jobs a second, of the first `count` jobs; a share of them, `warm`, is not timed, as workers are starting."""
        began = sorted(self.tally.times(FIRST)[:count])
        start = int(len(began) * warm)
        return (len(began) - 1 - start) / ((began[-1] - began[start]) / 1e9)

    def span_s(self) -> float:
        """Seconds from the first start of any job to the last one."""
        return (max(self.tally.times(LAST)) - min(self.tally.times(FIRST))) / 1e9

    def cpu_us(self) -> float:
        """CPU that the server has used so far, in microseconds."""
        info = self.redis.info("cpu")
        return 1e6 * float(info["used_cpu_user"] + info["used_cpu_sys"])

    def memory(self) -> int:
        """Bytes that the server uses now."""
        return int(self.redis.info("memory")["used_memory"])
