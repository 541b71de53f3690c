"""What the guides show is true: their examples run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import orjson
import pytest
import uvloop

from jobd.http.enqueue_body import read_request
from jobd.settings import load_settings
from tests.docs.guide import bodies_in, guides, run_guide, settings_in
from tests.plugin_shelf import PluginShelf


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.mark.parametrize("path", guides(), ids=lambda path: str(path.stem))
def test_the_settings_and_bodies_of_a_guide_are_taken(path: Path, tmp_path: Path) -> None:
    for content in settings_in(path):
        (tmp_path / "jobd.toml").write_text(content)
        load_settings(environment={}, config=tmp_path / "jobd.toml")
    for body in bodies_in(path):
        read_request(orjson.loads(body))


@pytest.mark.parametrize("path", guides(), ids=lambda path: str(path.stem))
async def test_the_examples_of_a_guide_run(
    path: Path, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # processes that are started find the shelf too
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    await run_guide(path, redis_url, PluginShelf(tmp_path, monkeypatch))
