"""What roles are made of, on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import pytest
import uvloop

from jobd.catalog import Catalog
from jobd.client import Client
from jobd.settings import Settings
from jobd.store.store import Store
from tests.roles.gate import Gate
from tests.roles.parts import Parts


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def parts(redis_url: str) -> AsyncIterator[Parts]:
    """A store that is empty, a client, and the job types of the testbed."""
    settings = Settings.model_validate({"redis_url": redis_url, "port": 0, "worker": {"lease": "10s"}})
    catalog = Catalog.of_installed()
    store = Store.at(redis_url)
    async with Client(store=store, catalog=catalog, settings=settings) as client:
        parts = Parts(settings, catalog, client)
        parts.keeper.start()
        yield parts
        parts.keeper.stop()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Closed until a test opens it, or has ended."""
    gate = Gate()
    yield gate
    gate.open()
