"""One attempt in a process of its own, which was forked for it: the handler is called as anywhere, under the limits
that were set, and its worker is told how it ended."""

from __future__ import annotations

import asyncio
import ctypes
import math
import os
import resource
import socket
import threading
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import uvloop

from jobd.catalog import Catalog
from jobd.domain.isolation import Isolation
from jobd.domain.outcome import Ending, Outcome
from jobd.errors import PluginError
from jobd.roles.worker.attempt_words import outcome_words, read_delivery, read_error
from jobd.roles.worker.calls import Calls
from jobd.roles.worker.control import Control
from jobd.roles.worker.error_record import record
from jobd.roles.worker.nursery import LONGEST_LINE
from jobd.roles.worker.piped_context import PipedContext
from jobd.roles.worker.running import Running
from jobd.roles.worker.threads import NAME
from jobd.services import Services

_STOPPED = Outcome(Ending.CANCELLED)


def run_attempt(line: socket.socket, catalog: Catalog, plugins: Mapping[str, Mapping[str, Any]]) -> None:
    """The process, from its first moment on; the end of it is the caller's business."""
    # a loop that nobody closes: whatever the handler has left in it ends with the process
    uvloop.new_event_loop().run_until_complete(_main(line, catalog, plugins))


async def _main(line: socket.socket, catalog: Catalog, plugins: Mapping[str, Mapping[str, Any]]) -> None:
    control = await Control.over(line, longest=LONGEST_LINE)
    if (order := await control.hear()) is not None:
        await _Attempt(control, order, catalog).run(plugins)
    await control.close()


class _Attempt:
    def __init__(self, control: Control, order: Mapping[str, Any], catalog: Catalog) -> None:
        self._control = control
        self._delivery = read_delivery(order["delivery"])
        self._isolation = Isolation.parse(order["isolation"])
        self._catalog = catalog
        self._questions: dict[int, asyncio.Future[Any]] = {}
        self._numbers = count(1)
        self._running: Running | None = None
        self._is_told_to_stop = False

    async def run(self, plugins: Mapping[str, Mapping[str, Any]]) -> None:
        """From the order to the outcome."""
        listening = asyncio.create_task(self._listen(), name="the worker speaks")
        try:
            job_type = self._catalog.find(self._delivery.type)
            wanted = job_type.services if job_type is not None else ()
            async with Services(self._catalog, plugins, only=wanted) as services:
                await self._tell(await self._outcome(services))
        except PluginError as error:
            await self._tell(Outcome(Ending.RAISED, error=record(error, traced=False)))
        listening.cancel()

    async def _outcome(self, services: Services) -> Outcome:
        loop = asyncio.get_running_loop()
        context = PipedContext(self._delivery, self.ask, self._catalog, services, loop)
        running = Running(self._delivery, context, asyncio.current_task())
        calls = Calls(self._catalog, threads=1, slots=1, limit=lambda running, ms: None, excuse=_needless)
        _limit(self._isolation)
        self._running = running
        if self._is_told_to_stop:
            return _STOPPED
        outcome = await calls.outcome(running)
        self._running = None
        if context.has_logged:
            await context.flush()
        return outcome

    async def _tell(self, outcome: Outcome) -> None:
        # the services are closed after that, however long it takes them
        await self._control.tell_first({"ended": None if outcome is _STOPPED else outcome_words(outcome)})

    async def ask(self, what: str, *values: Any) -> Any:
        """Asks the worker for something. Raises what it answers with."""
        number = next(self._numbers)
        answer = self._questions[number] = asyncio.get_running_loop().create_future()
        self._control.tell({"ask": number, "what": what, "with": values})
        return await answer

    async def _listen(self) -> None:
        while (words := await self._control.hear()) is not None:
            if "do" in words:
                self._stop()
            elif not (question := self._questions.pop(words["answer"])).done():
                if (error := words.get("error")) is not None:
                    question.set_exception(read_error(error))
                else:
                    question.set_result(words.get("value"))
        os._exit(1)  # the worker is dead

    def _stop(self) -> None:
        """The soft way: `CancelledError` is raised in the handler, and what it does then counts. The hard way is the
        worker's."""
        self._is_told_to_stop = True
        running = self._running
        if running is not None:
            running.stop(_STOPPED, sync_too=False)
            if running.thread is not None:
                running.stopped = _STOPPED
                _cancel_threads()


async def _needless(running: Running, ms: int) -> None:
    """A batch of one waits for nobody."""


def _cancel_threads() -> None:
    """In the next step of Python that the handler takes; one that waits in foreign code takes none."""
    for thread in threading.enumerate():
        if thread.name.startswith(NAME) and thread.ident is not None:
            cancelled = ctypes.py_object(asyncio.CancelledError)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), cancelled)


def _limit(isolation: Isolation) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if isolation.memory is not None:
        _lower(resource.RLIMIT_AS, _memory_now() + isolation.memory)
    if isolation.cpu_ms is not None:
        # the process is young, and what it took so far counts
        _lower(resource.RLIMIT_CPU, math.ceil(isolation.cpu_ms / 1_000))


def _lower(what: int, limit: int) -> None:
    _, hard = resource.getrlimit(what)
    most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(what, (most, most if what == resource.RLIMIT_AS else hard))


def _memory_now() -> int:
    """Bytes of addresses in use; nothing where the system does not say."""
    try:
        pages = Path("/proc/self/statm").read_text().partition(" ")[0]
    except FileNotFoundError:
        return 0
    return int(pages) * resource.getpagesize()
