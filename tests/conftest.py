"""What all tests share: one real server, empty at the start of each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from jobd.client import Client
from tests.real_server import RealServer, bundled
from tests.servers.cluster import ClusterFleet
from tests.store.hands import Clock, Hands

# a machine that is busy with other things is no fault of the code; and what passes once passes again: other examples
# come on request
settings.register_profile("jobd", deadline=None, derandomize="JOBD_TEST_EXPLORE" not in os.environ)
settings.load_profile("jobd")


Host = RealServer | ClusterFleet


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--topology", choices=["server", "cluster"], default="server", help="what the store is on")
    parser.addoption("--server-bin", metavar="PATH", help="the Valkey or Redis server to test with")


@pytest.fixture(scope="session")
def server_binary(request: pytest.FixtureRequest) -> Path:
    """The server to start."""
    named: str | None = request.config.getoption("--server-bin")
    return Path(named) if named else bundled()


@pytest.fixture(scope="session")
def session_server(request: pytest.FixtureRequest, server_binary: Path) -> Iterator[Host]:
    """One server for all tests, which forgets everything when it ends, or a Cluster."""
    if request.config.getoption("--topology") == "cluster":
        # a busy machine is no failure: no replica takes over, which would not have all that a test has written
        with ClusterFleet(server_binary, "cluster-node-timeout 60000", "cluster-replica-no-failover yes") as fleet:
            yield fleet
    else:
        with RealServer(server_binary) as server:
            yield server


@pytest.fixture
def redis_url(session_server: Host) -> str:
    """The URL of a server that holds nothing but scripts."""
    session_server.empty()
    return session_server.url


@pytest.fixture
async def hands(client: Client) -> Hands:
    """What a worker does, done step by step in the store of the test's client."""
    shard = client.store.shards[0]
    hands = Hands(shard, Clock(shard))
    await hands.join()
    return hands
