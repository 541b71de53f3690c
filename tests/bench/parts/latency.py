"""How long an idle worker takes from the call of enqueue to the first line of the handler."""

from __future__ import annotations

import statistics

from tests.bench.contender import Contender
from tests.bench.parts.part import Bench, Figures, Part, Row
from tests.bench.verify import verify

WARM = 20


def _latency(bench: Bench, contender: Contender) -> Figures:
    first, jobs = 2 * WARM, 2 * WARM + bench.probes
    with bench.stage(contender, jobs) as stage, stage.worker() as worker:
        stage.produce("paced", WARM)
        stage.wait(worker, WARM)  # it is up, and idle again
        stage.produce("paced", WARM + bench.probes, first=WARM, warm=WARM)
        stage.wait(worker, jobs)
        verify(stage, worker, range(jobs))
        delays = stage.tally.delays_ms(first)
    hundredths = statistics.quantiles(delays, n=100)
    return {"start_p50": hundredths[49], "start_p99": hundredths[98]}


LATENCY = Part(
    "latency",
    "idle machine, a job each 20 ms: from the call of enqueue to the start of the handler",
    (
        Row("start_p50", "enqueue to start, p50", "ms", more_is_better=False),
        Row("start_p99", "enqueue to start, p99", "ms", more_is_better=False),
    ),
    lambda contender: "paced" in contender.ways,
    _latency,
    table="Time and memory",
)
