"""What a worker costs that has nothing to do."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.acceptance.program import Program
from tests.real_server import RealServer

MEASURED_S = 10.0
ASKED_AGAIN_AND_AGAIN = 3
"""listening, looking for work, renewing the lease: each may fall into the measured time once more than its share"""
_OVER = "it is over"
_ONCE = ("HELLO", "CLIENT SETNAME", "CLIENT SETINFO", "PING", "FUNCTION ")
"""what is said once: how a connection begins, and scripts that the server does not know yet; a worker that has just
started is about to say so when we start to listen"""


@pytest.mark.parametrize("processes", [pytest.param("0", marks=pytest.mark.long), "1"])
async def test_an_idle_worker_sends_at_most_one_command_a_second(
    server_binary: Path, tmp_path: Path, processes: str
) -> None:
    words = ["--role", "worker", "--processes", processes]
    with RealServer(server_binary) as server, Program(tmp_path, *words, "--redis-url", server.url):
        most = MEASURED_S + ASKED_AGAIN_AND_AGAIN
        if len(said := heard(server, MEASURED_S)) > most:
            said = heard(server, MEASURED_S)  # on a busy machine it was still about to start
        assert len(said) <= most, said


def heard(server: RealServer, seconds: float) -> list[str]:
    """What clients say for so many seconds. What scripts do inside is no command of a client."""
    said: list[str] = []
    with server.client() as onlooker, server.client() as announcer, onlooker.monitor() as monitor:
        announcer.ping()
        over = threading.Timer(seconds, announcer.echo, [_OVER])
        over.start()
        try:
            for command in monitor.listen():
                if _OVER in command["command"]:
                    break
                if command["client_type"] != "lua" and not command["command"].startswith(_ONCE):
                    said.append(command["command"])
        finally:
            # it speaks once more, to nobody, before its connection is closed
            over.cancel()
            over.join()
    return said
