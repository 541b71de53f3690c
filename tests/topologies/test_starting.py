"""What `jobd run` says of a store when it starts, and of one that it does not work with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jobd.cli.exits import Exit
from tests.acceptance.program import plain_environment
from tests.servers.tcp_server import TcpServer
from tests.topologies.household import program_on

pytestmark = pytest.mark.long


def test_it_says_what_is_kept_and_warns_of_what_is_not(server_binary: Path, tmp_path: Path) -> None:
    with TcpServer(server_binary) as server, program_on(f"redis://{server.place}/0", tmp_path) as program:
        assert program.line("kept") == "memory only (appendonly no)"
        assert program.line("loss") == "everything, when the server ends"
        assert "will be lost" in program.log.read_text()


@pytest.mark.threat("S46")
def test_it_refuses_a_server_that_would_throw_away_jobs(server_binary: Path, tmp_path: Path) -> None:
    with TcpServer(server_binary, "maxmemory-policy allkeys-lru") as server:
        ended = subprocess.run(
            [sys.executable, "-m", "jobd", "run", "--role", "scheduler", "--redis-url", f"redis://{server.place}/0"],
            cwd=tmp_path,
            env=plain_environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert ended.returncode == Exit.UNREACHABLE
    assert "allkeys-lru" in ended.stderr
