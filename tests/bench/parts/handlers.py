"""Handlers that do more than nothing at once: many that sleep, and sync ones in threads."""

from __future__ import annotations

from tests.bench.contender import Contender
from tests.bench.parts.drain import size
from tests.bench.parts.part import Bench, Figures, Part, Row, only_jobd
from tests.bench.verify import verify

SLEEPERS = 10_000


def run(bench: Bench, contender: Contender, shape: str, jobs: int, job_type: str) -> float:
    """Jobs a second, of this type and by a worker of this shape."""
    with bench.stage(contender, jobs) as stage:
        stage.fill(jobs, environment={"BENCH_TYPE": job_type})
        with stage.worker(shape) as worker:
            stage.wait(worker, jobs)
            verify(stage, worker, range(jobs))
        return stage.rate(jobs)


def _sleep(bench: Bench, contender: Contender) -> Figures:
    sleeping = run(bench, contender, "wide", SLEEPERS, "bench-sleep")
    nothing = run(bench, contender, "one", SLEEPERS, "bench-load")
    beside = run(bench, contender, "wide", SLEEPERS, "bench-load")
    return {
        "sleep": sleeping,
        "sleep_noop": nothing,
        "sleep_share": sleeping / nothing,
        "sleep_beside": beside,
        "sleep_beside_share": sleeping / beside,
    }


def _threads(bench: Bench, contender: Contender) -> Figures:
    return {"threads": run(bench, contender, "threads", size(bench, contender), "bench-thread")}


SLEEP = Part(
    "sleep",
    "10 000 jobs that sleep for 1 ms at concurrency 1 000, beside no-op jobs at that of a default and at 1 000",
    (
        Row("sleep", "1 ms of sleep, concurrency 1 000", "jobs/s"),
        Row("sleep_noop", "10 000 no-op jobs, default concurrency", "jobs/s"),
        Row("sleep_share", "1 ms of sleep as a share of that", "×"),
        Row("sleep_beside", "10 000 no-op jobs, concurrency 1 000", "jobs/s"),
        Row("sleep_beside_share", "1 ms of sleep as a share of that", "×"),
    ),
    only_jobd,
    _sleep,
)
THREADS = Part(
    "threads",
    "sync no-op handlers in threads, one worker process",
    (Row("threads", "sync handlers in threads", "jobs/s"),),
    lambda contender: "threads" in contender.workers,
    _threads,
    table="Running jobs",
)
