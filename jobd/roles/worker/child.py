"""A worker child: a process that runs jobs and dies with its parent. Started by the supervisor as
`python -m jobd.roles.worker.child FD`; all it needs comes over that line."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import NoReturn

import uvloop

from jobd import clock, log
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.errors import JobdError, StoreError
from jobd.garbage import look_less
from jobd.reach import retention_of
from jobd.roles.membership import Membership
from jobd.roles.worker.appetite import MOST_AHEAD
from jobd.roles.worker.control import TICK_S, Control
from jobd.roles.worker.engine import Engine
from jobd.roles.worker.memory import memory_in_use
from jobd.roles.worker.nursery import Nursery
from jobd.settings import Settings
from jobd.store.store import Store

LAST_WAIT_S = 5.0
"""how long a child takes to leave, and one whose parent is dead to give its jobs back"""


_ASKED_BY_SIGNAL = {signal.SIGTERM: "stop", signal.SIGUSR1: "quiet", signal.SIGUSR2: "restart"}
"""what is asked of the process by a signal to it alone; what follows is up to its parent"""


async def main(descriptor: int) -> None:
    """Runs until told to stop, until the parent is dead, or until the engine fails."""
    control = await Control.over(socket.socket(fileno=descriptor))
    order = await control.hear()
    try:
        if order is None:
            return
        settings = Settings.model_validate(order["settings"])
        log.configure(settings.log.level, settings.log.format)
        store = Store.at(order["url"], prefix=settings.prefix, retention=retention_of(settings), shards=settings.shards)
        catalog = Catalog.of_installed(without=settings.without)
        membership = Membership(
            store,
            order["shard"],
            kind=order["kind"],
            lines=order["lines"],
            lease_ms=settings.worker.lease,
            about=order["about"] | {"parent": os.getppid()},
        )
        async with Client(store=store, catalog=catalog, settings=settings) as client:
            engine = Engine(
                membership,
                client,
                catalog,
                settings.plugins,
                concurrency=order["about"]["concurrency"],
                threads=settings.worker.threads,
                most_ahead=0 if order["kind"] == "solo" else MOST_AHEAD,  # a suspect has no company
                nursery=lambda: Nursery.of(settings),
                next_order=settings.worker.order_of(clock.dice, mark="!" if order["kind"] == "solo" else "").next,
                on_joined=lambda member: control.tell({"say": "ready", "member": member}),
                on_asked=lambda what: control.tell({"say": "asked", "what": what}),
                on_idle=lambda: control.tell({"say": "idle", "ran": engine.ran}),
                on_stuck=lambda: control.tell({"say": "stuck", "handlers": engine.stuck}),
                on_opening=lambda what: control.tell_first({"say": "opening", "what": what}),
            )
            await engine.start()
            look_less(jobs=order["about"]["concurrency"])
            await _work(control, engine, membership)
    except Exception as error:
        why = str(error) if isinstance(error, JobdError) else repr(error)
        control.tell({"say": "failed", "why": why, "passes": getattr(error, "retryable", False)})
        raise
    finally:
        await control.close()


async def _work(control: Control, engine: Engine, membership: Membership) -> None:
    ticking = asyncio.create_task(_tick(control, engine), name="ticks")
    for number, what in _ASKED_BY_SIGNAL.items():
        asyncio.get_running_loop().add_signal_handler(number, control.tell, {"say": "asked", "what": what})
    failing = asyncio.create_task(engine.wait_failed(), name="engine lives")
    obeying = asyncio.create_task(_obey(control, engine, membership), name="orders")
    await asyncio.wait({failing, obeying}, return_when=asyncio.FIRST_COMPLETED)
    ticking.cancel()
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_WAIT_S):
            await engine.stop()  # raises what it has failed of
    control.tell({"say": "done", "what": "stop"})


async def _tick(control: Control, engine: Engine) -> NoReturn:
    while True:
        control.tell({"say": "tick", "ran": engine.ran, "memory": memory_in_use()})
        await asyncio.sleep(TICK_S)


async def _obey(control: Control, engine: Engine, membership: Membership) -> None:
    """Goes down the stairs as told, to the stop. A parent that is dead means all of them, quickly."""
    steps: set[asyncio.Task[None]] = set()
    while True:
        order = await control.hear()
        if order is None:
            await engine.quiet()
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WAIT_S):
                    await engine.interrupt()
            return
        if order["do"] == "stop":
            return
        step = asyncio.create_task(_step(control, engine, membership, order["do"]), name=order["do"])
        steps.add(step)
        step.add_done_callback(steps.discard)


async def _step(control: Control, engine: Engine, membership: Membership, what: str) -> None:
    match what:
        case "quiet":
            await engine.quiet()
        case "drain":
            await engine.drain()
        case "interrupt":
            await engine.interrupt()
    control.tell({"say": "done", "what": what})
    if what == "quiet":
        with suppress(StoreError):  # it is for people who look, and nobody waits for it
            await membership.tell(quiet=True)


async def _process(descriptor: int) -> NoReturn:
    """Ends the process hard: neither threads of handlers nor tasks that heed no cancellation may keep it."""
    code = 0
    try:
        await main(descriptor)
    except BaseException as error:  # noqa: BLE001  whatever it was, the process ends here and says so
        log.get("worker").error("worker process ends", error=repr(error))
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _outlive_nobody(line: int) -> None:
    """Ends the process some time after its parent has died, also when a handler holds the loop."""
    parent = select.poll()
    parent.register(line, 0)  # nothing but the end of the line
    parent.poll()
    time.sleep(LAST_WAIT_S)
    os._exit(1)


def run(arguments: list[str]) -> None:
    """The process."""
    for number in (signal.SIGINT, *_ASKED_BY_SIGNAL):
        # nothing before it takes jobs; not SIG_IGN, which programs that a handler starts would inherit
        signal.signal(number, lambda *_: None)
    descriptor = int(arguments[0])
    threading.Thread(target=_outlive_nobody, args=[os.dup(descriptor)], name="jobd lifeline", daemon=True).start()
    uvloop.run(_process(descriptor))


if __name__ == "__main__":
    run(sys.argv[1:])
