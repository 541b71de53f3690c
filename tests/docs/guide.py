"""A guide in docs/: its Python blocks are run one after the other, as a reader would who has jobd up."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import jobd
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.domain.jobtype import JobType
from jobd.roles.membership import Membership
from jobd.roles.reaper import Reaper
from jobd.roles.scheduler import Scheduler
from jobd.roles.verdicts import Verdicts
from jobd.roles.worker.engine import Engine
from jobd.settings import Settings
from jobd.store.lease_keeper import LeaseKeeper
from jobd.store.store import Store
from tests.plugin_shelf import PluginShelf

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TOML = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_JSON = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def guides() -> list[Path]:
    """Those that have anything to run."""
    return [path for path in sorted(DOCS.glob("*.md")) if _BLOCK.search(path.read_text())]


def blocks(path: Path) -> Iterator[tuple[int, str]]:
    """The Python blocks of a guide, each with the line before its first."""
    text = path.read_text()
    for block in _BLOCK.finditer(text):
        yield text.count("\n", 0, block.start(1)), block[1]


def settings_in(path: Path) -> list[str]:
    """The configuration files of a guide."""
    return _TOML.findall(path.read_text())


def bodies_in(path: Path) -> list[str]:
    """The bodies of requests in a guide."""
    return _JSON.findall(path.read_text())


async def run_guide(path: Path, url: str, shelf: PluginShelf) -> None:
    """Runs a guide. `client`, where a block names it, is one of a jobd that runs the job types of the blocks above.
    Where their handlers have processes of their own, these find them as a plugin on the shelf."""
    names: dict[str, Any] = {"jobd": jobd, "__name__": path.stem}
    known: list[JobType[Any, Any]] = []
    offered = ""
    async with AsyncExitStack() as stack:
        for line, source in blocks(path):
            types = [value for value in names.values() if isinstance(value, JobType)]
            if "@jobd.job(" in source:
                offered += source
                if "isolation=" in offered:
                    shelf.put(path.stem, offered + _HOOK)
            if types != known and re.search(r"\bclient\b", source):
                await stack.aclose()
                names["client"], known = await _start(stack, url, Catalog(types)), types
            padded = "\n" * line + source
            code = compile(padded, str(path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            run = eval(code, names)
            if inspect.iscoroutine(run):
                await run


_HOOK = """
@jobd.hookimpl
def jobd_job_types():
    return [value for value in globals().values() if isinstance(value, jobd.JobType)]
"""


async def _start(stack: AsyncExitStack, url: str, catalog: Catalog) -> Client:
    store, settings = Store.at(url), Settings.model_validate({"redis_url": url, "worker": {"lease": "5s"}})
    client = await stack.enter_async_context(Client(store=store, catalog=catalog, settings=settings))
    keeper = LeaseKeeper(url, settings.prefix, len(store.shards), settings.worker.lease)
    keeper.start()
    stack.callback(keeper.stop)

    def membership(kind: str, line: str) -> Membership:
        return Membership(store, 0, kind=kind, lines=[line], lease_ms=settings.worker.lease, keeper=keeper)

    def report(name: str, error: BaseException) -> None:
        raise AssertionError(f"{name} failed") from error

    monitor = Reaper(membership("monitor", "@monitor"), Verdicts(catalog, client.levels), report=report)
    scheduler = Scheduler(membership("scheduler", "@scheduler"), report=report)
    worker = Engine(membership("worker", "*"), client, catalog, {}, concurrency=20, threads=5)
    for actor in (monitor, scheduler, worker):
        await stack.enter_async_context(actor.life())
    return client
