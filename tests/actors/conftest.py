"""The loops of these tests: one whose clock jumps, and the one that jobd runs on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

from tests.actors.autojump import AutojumpLoop
from tests.actors.cast import Journal


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"autojump": AutojumpLoop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def journal() -> Journal:
    """What the actors of one test did, line by line."""
    return []
