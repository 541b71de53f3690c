"""A real store, a real server on loopback, a real client."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from jobd.client import Client
from jobd.http.server import HttpServer
from jobd.settings import HttpSettings, Settings
from jobd.store.server_binary import find_server_binary
from jobd.store.store import Store
from tests.http.api import Api
from tests.http.hand import Hand
from tests.http.job_types import catalog

_prefixes = itertools.count(1)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="jobd-http-") as directory:
        path = Path(directory, "s")
        words = [find_server_binary().path, "--port", "0", "--unixsocket", path, "--save", "", "--dir", directory]
        server = subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL)
        try:
            _wait_for(path)
            yield f"unix://{path}"
        finally:
            server.terminate()
            server.wait()


def _wait_for(path: Path, patience_s: float = 20.0) -> None:
    give_up = time.monotonic() + patience_s
    while time.monotonic() < give_up:
        with socket.socket(socket.AF_UNIX) as caller, suppress(OSError):
            caller.connect(str(path))
            return
        os.sched_yield()
    raise TimeoutError(f"no server at {path}")


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Client]:
    """A client on a store of its own: no other test sees its keys."""
    store = Store.at(redis_url, prefix=f"http-{os.getpid()}-{next(_prefixes)}")
    async with Client(store=store, catalog=catalog()) as client:
        yield client


@pytest.fixture
def settings() -> Settings:
    return Settings(port=0, http=HttpSettings(max_body=1_048_576))


@pytest.fixture
async def server(client: Client, settings: Settings) -> AsyncIterator[HttpServer]:
    server = HttpServer(client, settings)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def api(server: HttpServer) -> AsyncIterator[Api]:
    async with Api(f"http://127.0.0.1:{server.port}") as api:
        yield api


@pytest.fixture
async def hand(client: Client) -> Hand:
    """A worker of one pair of hands: it does what the test says."""
    hand = Hand(client.store)
    await hand.join()
    return hand
