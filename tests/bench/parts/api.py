"""How fast the HTTP API takes jobs in, beside a bare handler that parses and validates the same body."""

from __future__ import annotations

import sys
import time

import jobd
from jobd.domain.state import State
from tests.bench.contender import PROGRAMS, Contender
from tests.bench.parts.part import Bench, Figures, Part, Row
from tests.bench.process import BenchError, Process
from tests.bench.stage import PRODUCE_LIMIT_S, Stage

START_LIMIT_S = 30.0
WAYS = {"http_one": (1, 1, 50), "http_flight": (100, 1, 10), "http_batch": (4, 1_000, 2_500)}
"""row → connections, jobs in a request, and by what the number of jobs is divided for the number of requests"""


def _port(server: Process) -> int:
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end:
        line = server.line(START_LIMIT_S).decode()
        if line.split()[:1] == ["API"]:
            return int(line.rpartition(":")[2].partition("/")[0])
    raise BenchError(f"{server.name} did not say where its API is")


def _send(stage: Stage, port: int, connections: int, batch: int, requests: int) -> float:
    """Jobs a second."""
    command = [sys.executable, str(PROGRAMS / "http_client.py"), str(port)]
    command += ["--connections", str(connections), "--batch", str(batch), "--requests", str(requests)]
    with stage.process(command, {}, "client") as client:
        said = client.answer(PRODUCE_LIMIT_S)
        return float(said["count"]) / float(said["seconds"])


def _api(bench: Bench, contender: Contender) -> Figures:
    figures = {}
    with bench.stage(contender, 0) as stage, stage.worker("api") as server:
        port = _port(server)
        _send(stage, port, 1, 1, 50)
        sent = 50
        for row, (connections, batch, divisor) in WAYS.items():
            requests = max(4, bench.jobs // divisor)
            figures[row] = _send(stage, port, connections, batch, requests)
            sent += requests * batch
        if contender.kind == "jobd":
            with jobd.SyncClient(stage.server.url) as client:
                waiting = client.queues()["default"][State.WAITING]
            if waiting != sent:
                raise BenchError(f"{sent} jobs were sent and {waiting} wait")
    return figures


API = Part(
    "http",
    "POST /api/v1/jobs on one connection, on 100, and batches of 1 000; `jobd run --role api`",
    (
        Row("http_one", "HTTP enqueue, one connection", "jobs/s"),
        Row("http_flight", "HTTP enqueue, 100 connections", "jobs/s"),
        Row("http_batch", "HTTP enqueue, batches of 1 000", "jobs/s"),
    ),
    lambda contender: "api" in contender.workers,
    _api,
    table="HTTP",
)
