"""A worker child: a process that runs jobs and dies with its parent. Started by the supervisor as
`python -m jobd.roles.worker.child FD`; all it needs comes over that line."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from typing import Any

import uvloop

from jobd import log
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.reach import retention_of
from jobd.roles.membership import Membership
from jobd.roles.worker.control import TICK_S, Control
from jobd.roles.worker.engine import Engine
from jobd.settings import Settings
from jobd.store.store import Store

LAST_WAIT_S = 5.0
"""how long a child whose parent is dead takes to give its jobs back"""


async def main(descriptor: int) -> None:
    """Runs until told to stop, or until the parent is dead."""
    control = await Control.over(socket.socket(fileno=descriptor))
    order = await control.hear()
    if order is None:
        return
    settings = Settings.model_validate(order["settings"])
    log.configure(settings.log.level, settings.log.format)
    store = Store.at(order["url"], prefix=settings.prefix, retention=retention_of(settings))
    catalog = Catalog.of_installed(without=settings.without)
    membership = Membership(
        store,
        0,
        kind=order["kind"],
        lines=order["lines"],
        lease_ms=settings.worker.lease,
        about={"concurrency": order["concurrency"], "queues": settings.worker.queues, "parent": os.getppid()},
    )
    async with Client(store=store, catalog=catalog, settings=settings) as client:
        engine = Engine(
            membership,
            client,
            catalog,
            settings.plugins,
            concurrency=order["concurrency"],
            threads=settings.worker.threads,
            on_joined=lambda member: control.tell({"say": "ready", "member": member}),
            on_idle=lambda: control.tell({"say": "idle"}),
        )
        await engine.start()
        ticking = asyncio.create_task(_tick(control, engine), name="ticks")
        try:
            await _obey(control, engine)
        finally:
            ticking.cancel()
        await engine.stop()
        control.tell({"say": "done", "what": "stop"})


async def _tick(control: Control, engine: Engine) -> None:
    while True:
        control.tell({"say": "tick", "busy": engine.busy, "stuck": engine.stuck})
        await asyncio.sleep(TICK_S)


async def _obey(control: Control, engine: Engine) -> None:
    """Goes down the stairs as told. A parent that is dead means all of them, quickly."""
    steps: set[asyncio.Task[None]] = set()
    while True:
        order = await control.hear()
        if order is None:
            await engine.quiet()
            async with asyncio.timeout(LAST_WAIT_S):
                await engine.interrupt()
            return
        if order["do"] == "stop":
            return
        step = asyncio.create_task(_step(control, engine, order["do"]), name=order["do"])
        steps.add(step)
        step.add_done_callback(steps.discard)


async def _step(control: Control, engine: Engine, what: str) -> None:
    match what:
        case "quiet":
            await engine.quiet()
        case "drain":
            await engine.drain()
        case "interrupt":
            await engine.interrupt()
    control.tell({"say": "done", "what": what})


def run(arguments: list[str]) -> None:
    """The process. It leaves hard: threads of handlers that do not end must not keep it."""
    # signals of the terminal are the parent's business
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    code: Any = 0
    try:
        uvloop.run(main(int(arguments[0])))
    except BaseException as error:  # noqa: BLE001  whatever it was, the process ends here and says so
        log.get("worker").error("worker process ends", error=repr(error))
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    run(sys.argv[1:])
