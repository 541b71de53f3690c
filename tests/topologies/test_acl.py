"""A user who may do what the README says, and nothing else."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import NoPermissionError

from tests.servers.tcp_server import TcpServer
from tests.topologies.household import household, program_on

pytestmark = pytest.mark.long

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.threat("S25")
@pytest.mark.parametrize("server_with", [(), ("appendonly yes",)], ids=["plain", "appending"])
async def test_the_rights_that_the_readme_names_are_enough_and_few(
    server_binary: Path, tmp_path: Path, server_with: tuple[str, ...]
) -> None:
    line = next(line for line in README.read_text().splitlines() if line.startswith("ACL SETUSER jobd"))
    with TcpServer(server_binary, *server_with) as server:
        with server.client() as client:
            client.execute_command(*shlex.split(line))
            client.set("somebody:elses", "secret")
            client.execute_command("ACL", "SETUSER", "default", "off")
        url = f"redis://jobd:password@{server.place}/0"
        with program_on(url, tmp_path) as program:
            async with household(url, program) as home:
                async with home.busy() as accepted:
                    await home.takes_jobs()
                await home.all_ran(accepted)
                await (await home.client.enqueue("noop", {"text": "x"}, delay="1h")).cancel()
            assert "NOPERM" not in program.log.read_text()
        with Redis.from_url(url) as user:
            for words in (("GET", "somebody:elses"), ("FLUSHALL",), ("KEYS", "*"), ("CONFIG", "SET", "save", "")):
                with pytest.raises(NoPermissionError):
                    user.execute_command(*words)
