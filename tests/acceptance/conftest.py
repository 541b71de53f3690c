"""Fleets for tests: one of each shape that runs for all, and others that a test starts for itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
import uvloop

import jobd
from tests.acceptance.fleet import Fleet, Shape

StartFleet = Callable[..., AbstractContextManager[Fleet]]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session", params=list(Shape), ids=str)
def shape(request: pytest.FixtureRequest) -> Shape:
    """Each test that asks for it runs once in each shape."""
    shape: Shape = request.param
    return shape


@pytest.fixture(scope="session")
def fleet(shape: Shape, server_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A whole jobd that runs for many tests, API included."""
    with Fleet(shape, tmp_path_factory.mktemp(shape), server_binary, api=True) as fleet:
        yield fleet


@pytest.fixture
async def client(fleet: Fleet) -> AsyncIterator[jobd.Client]:
    """A client of that jobd."""
    async with jobd.Client(fleet.url) as client:
        yield client


@pytest.fixture
def start_fleet(shape: Shape, server_binary: Path, tmp_path: Path) -> StartFleet:
    """Starts a jobd for one test: takes arguments of `jobd run` for its worker, and `environment`."""
    return partial(Fleet, shape, tmp_path, server_binary)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Where handlers write down that they ran."""
    return tmp_path / "journal"
