"""How fast a client enqueues, and what a waiting job takes of the server's memory."""

from __future__ import annotations

from tests.bench.contender import Contender
from tests.bench.parts.part import Bench, Figures, Part, Row, queues

WARM = 100
WAITING = 20_000
"""the same for everybody, as tables in the server grow in steps"""


def _enqueue(bench: Bench, contender: Contender) -> Figures:
    figures = {}
    share = {"one": bench.jobs // 20, "flight": bench.jobs // 10, "bulk": bench.jobs}
    if contender.kind == "peer":
        share["bulk"] = bench.jobs // 5
    for way in contender.ways:
        if way in share:
            with bench.stage(contender, 0) as stage:
                before = stage.cpu_us()
                with stage.producing(way, share[way] + WARM, warm=WARM) as produced:
                    figures[way] = produced.per_s
                    if way == "bulk":
                        figures["bulk_cpu_us"] = (stage.cpu_us() - before) / (share[way] + WARM)
    return figures


def _memory(bench: Bench, contender: Contender) -> Figures:
    jobs = WAITING
    with bench.stage(contender, 0) as stage:
        # what is there once and not for each job: scripts, names of queues
        stage.fill(WARM)
        before = stage.memory()
        stage.fill(jobs, first=WARM)
        return {"bytes": (stage.memory() - before) / jobs}


ENQUEUE = Part(
    "enqueue",
    "one client: one by one, 100 in flight (16 threads where a client blocks), many at once",
    (
        Row("one", "enqueue one by one", "jobs/s"),
        Row("flight", "enqueue, 100 in flight", "jobs/s"),
        Row("bulk", "enqueue bulk", "jobs/s"),
        Row("bulk_cpu_us", "server CPU to enqueue a job, bulk", "µs", more_is_better=False),
    ),
    queues,
    _enqueue,
    table="Enqueuing",
)
MEMORY = Part(
    "memory",
    "what a waiting job with a payload of 100 bytes takes of the server's memory",
    (Row("bytes", "Redis memory per waiting job", "bytes", more_is_better=False),),
    queues,
    _memory,
    table="Time and memory",
    repeated=False,
)
