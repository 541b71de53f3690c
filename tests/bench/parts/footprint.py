"""What a worker takes of the machine's memory, and how long the command takes to start."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.acceptance.processes import descendants, words_of
from tests.bench.contender import Contender
from tests.bench.parts.drain import size
from tests.bench.parts.part import Bench, Figures, Part, Row, only_jobd, queues
from tests.bench.process import Process
from tests.bench.verify import verify

NOTES = "/tally"
WARM = 20
FULL = 2_000_000
SETTLE_S = 1.0
STARTS = 10
START_LIMIT_S = 30.0


def resident_mb(pids: list[int]) -> float:
    """What these processes have in memory now, in MB (10^6 bytes), without the file in which handlers note that they
    ran, which is the benchmark's own: 32 bytes a job."""
    found = 0
    for pid in pids:
        mapping = ""
        for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
            word, *values = line.split()
            if not word.endswith(":"):
                mapping = line
            elif word == "Rss:" and not mapping.endswith(NOTES):
                found += 1024 * int(values[0])
    return found / 1e6


def _tree(worker: Process) -> list[int]:
    return [worker.pid, *descendants(worker.pid)]


def _children(worker: Process) -> list[int]:
    return [pid for pid in descendants(worker.pid) if "jobd.roles.worker.child" in words_of(pid)]


def _footprint(bench: Bench, contender: Contender) -> Figures:
    jobs = FULL if bench.full and contender.kind == "jobd" else size(bench, contender)
    with bench.stage(contender, WARM + jobs) as stage, stage.worker() as worker:
        stage.fill(WARM)
        stage.wait(worker, WARM)
        time.sleep(SETTLE_S)
        figures = {"rss_idle": resident_mb(_tree(worker))}
        if contender.kind == "jobd":
            figures["child_idle"] = resident_mb(_children(worker))
        stage.fill(jobs, first=WARM)
        stage.wait(worker, WARM + jobs)
        figures["rss_after"] = resident_mb(_tree(worker))
        if contender.kind == "jobd":
            figures["child_after"] = resident_mb(_children(worker))
        verify(stage, worker, range(WARM + jobs))
    return figures


def _start(bench: Bench, contender: Contender) -> Figures:
    found = []
    for _ in range(STARTS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "jobd", "--help"], capture_output=True, check=True, timeout=START_LIMIT_S)
        found.append(1e3 * (time.perf_counter() - started))
    return {"start_ms": statistics.median(found)}


FOOTPRINT = Part(
    "footprint",
    "memory of the worker with all its processes, idle and after a drain (of 2 000 000 with --full)",
    (
        Row("rss_idle", "worker, all processes, idle", "MB", more_is_better=False),
        Row("rss_after", "… after the drain", "MB", more_is_better=False),
        Row("child_idle", "jobd's worker process alone, idle", "MB", more_is_better=False),
        Row("child_after", "… after the drain", "MB", more_is_better=False),
    ),
    queues,
    _footprint,
    table="Time and memory",
    repeated=False,
)
START = Part(
    "start",
    "how long `jobd --help` takes",
    (Row("start_ms", "`jobd --help`", "ms", more_is_better=False),),
    only_jobd,
    _start,
)
