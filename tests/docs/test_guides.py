"""What the guides show is true: their examples run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from tests.docs.guide import guides, run_guide


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.mark.parametrize("path", guides(), ids=lambda path: str(path.stem))
async def test_the_examples_of_a_guide_run(path: Path, redis_url: str) -> None:
    await run_guide(path, redis_url)
