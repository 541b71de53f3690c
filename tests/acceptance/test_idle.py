"""What a worker costs that has nothing to do."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.acceptance.program import Program
from tests.real_server import RealServer

MEASURED_S = 10.0
LEASE = {"JOBD_WORKER__LEASE": "12s"}
"""shorter than the default: more renewals, and the first one comes sooner"""


@pytest.mark.parametrize("processes", ["0", "1"])
async def test_an_idle_worker_sends_at_most_one_command_a_second(
    server_binary: Path, tmp_path: Path, processes: str
) -> None:
    words = ["--role", "worker", "--processes", processes]
    with (
        RealServer(server_binary) as server,
        Program(tmp_path, *words, "--redis-url", server.url, environment=LEASE),
    ):
        said = heard_after(server, "EVALSHA", MEASURED_S)  # the first renewal: all connections are made by then
        assert len(said) <= MEASURED_S, said


def heard_after(server: RealServer, word: str, seconds: float) -> list[str]:
    """What clients send for so many seconds, after a command with this word. What scripts do inside is theirs."""
    said: list[str] = []
    with server.client() as onlooker, server.client() as announcer, onlooker.monitor() as monitor:
        announcer.ping()
        over: threading.Timer | None = None
        for command in monitor.listen():
            if command["client_type"] == "lua":
                continue
            if "it is over" in command["command"]:
                break
            if over is not None:
                said.append(command["command"])
            elif word in command["command"]:
                over = threading.Timer(seconds, announcer.echo, ["it is over"])
                over.start()
        if over is not None:
            over.join()  # it has its answer before its connection is closed
    return said
