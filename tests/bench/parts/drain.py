"""How fast workers empty a line of no-op jobs, and what that costs the server."""

from __future__ import annotations

from tests.bench.contender import Contender
from tests.bench.parts.part import Bench, Figures, Part, Row, queues
from tests.bench.verify import verify

FLOOR_TIMES = 5
"""the floors need more jobs, to be measured as long"""
SAMPLE = 300
"""jobs of the run that tells how many a slow contender is given"""


def size(bench: Bench, contender: Contender) -> int:
    """How many jobs this contender is given: all of them, or what a slow one does in the time that a drain may take."""
    if contender.kind != "peer":
        return bench.jobs * (FLOOR_TIMES if contender.kind == "floor" else 1)
    if contender.name not in bench.sizes:
        rate = drain(bench, contender, "one", SAMPLE)["drain"]
        bench.sizes[contender.name] = min(bench.jobs, max(SAMPLE, int(rate * bench.seconds)))
    return bench.sizes[contender.name]


def drain(bench: Bench, contender: Contender, shape: str, jobs: int, *, fsync: str | None = None) -> dict[str, float]:
    """Jobs a second, and the server's CPU for each."""
    with bench.stage(contender, jobs, fsync=fsync) as stage:
        stage.fill(jobs)
        before = stage.cpu_us()
        with stage.worker(shape) as worker:
            stage.wait(worker, jobs)
            cpu = stage.cpu_us() - before
            verify(stage, worker, range(jobs))
        return {"drain": stage.rate(jobs, warm=0.1 if shape == "one" else 0.25), "drain_cpu_us": cpu / jobs}


def _one(bench: Bench, contender: Contender) -> Figures:
    return drain(bench, contender, "one", size(bench, contender))


def _two(bench: Bench, contender: Contender) -> Figures:
    figures = drain(bench, contender, "two", size(bench, contender))
    return {"two": figures["drain"]}


DRAIN = Part(
    "drain",
    "no-op jobs that wait, one worker process; CPU of the server",
    (
        Row("drain", "drain, one worker", "jobs/s"),
        Row("drain_cpu_us", "server CPU to run a job", "µs", more_is_better=False),
    ),
    queues,
    _one,
    table="Running jobs",
)
TWO = Part(
    "two",
    "the same with two worker processes",
    (Row("two", "drain, two workers", "jobs/s"),),
    lambda contender: "two" in contender.workers,
    _two,
    table="Running jobs",
)
