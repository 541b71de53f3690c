"""Calls of handlers in processes of their own, as their worker sees them: it starts each, answers what it asks, and
ends it when its time is over."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from jobd import log
from jobd.domain.duration import spoken
from jobd.domain.failure import ProcessDied
from jobd.domain.isolation import Isolation
from jobd.domain.options import from_record
from jobd.domain.outcome import Ending, Outcome
from jobd.domain.plain_json import from_json
from jobd.errors import JobdError, JobNotFound, OptionError
from jobd.intake import Request
from jobd.roles.worker.attempt_words import bytes_of, delivery_words, error_words, read_outcome, text_of
from jobd.roles.worker.child_process import how_it_ended
from jobd.roles.worker.endings import ruled_outcome
from jobd.roles.worker.nursery import GONE, NOT_STARTED, Nursery, Nursling
from jobd.roles.worker.running import Running
from jobd.store.reports import LONGEST_LINE

if TYPE_CHECKING:
    from jobd.store.shard import Shard

SOFT_S = 1.0
"""how long a handler that was told to end may take before its process is killed"""
WAIT_FOR_PLUGINS_S = 10.0
"""how long a job waits here for plugins that take long to load, before it goes back for another worker to take"""
_NOT_LOADED = Outcome(Ending.INTERRUPTED, reason=f"the plugins were not loaded for it within {WAIT_FOR_PLUGINS_S:g} s")
_CLOSE_S = 1.0
"""how long a process may take to close its services when the handler has ended"""
_TOLD_FIRST = (Ending.TIMED_OUT, Ending.CANCELLED)
"""ends that a handler is told of first; at any other its job is given to somebody else at once"""


class IsolatedCalls:
    """Makes them in the tasks that ask for it. For one life: `close` ends all processes."""

    def __init__(self, nursery: Nursery, shard: Shard, *, limit: Callable[[Running, float], None]) -> None:
        """`limit` begins the limits of an attempt."""
        self._nursery = nursery
        self._shard = shard
        self._limit = limit
        self._log = log.get("worker")

    async def close(self) -> None:
        """Ends all processes."""
        await self._nursery.close()

    async def outcome(self, running: Running, isolation: Isolation) -> Outcome:
        """Runs the handler of an attempt. When this returns or raises, its process is dead. Raises CancelledError if it
        was stopped and did not end by itself."""
        try:
            async with asyncio.timeout(WAIT_FOR_PLUGINS_S):
                nursling = await self._nursery.start()
        except TimeoutError:
            return _NOT_LOADED
        except OSError as error:
            return _failed(f"no process could be started for it: {error}", running)
        questions: set[asyncio.Task[None]] = set()
        try:
            order = {"delivery": delivery_words(running.delivery), "isolation": isolation.to_json()}
            nursling.control.tell(order)
            self._limit(running, 0.0)
            try:
                said = await self._hear(nursling, running, questions)
            except asyncio.CancelledError:
                if running.stopped is None or running.stopped.ending not in _TOLD_FIRST:
                    raise
                return await self._last_words(nursling, running, questions) or running.stopped
            if said is not None:
                return said
            await self._nursery.end(nursling)
            return _died(nursling, isolation, running)
        finally:
            for question in questions:
                question.cancel()
            if running.outcome is not None:
                await asyncio.wait({nursling.ended}, timeout=_CLOSE_S)
            await self._nursery.end(nursling)

    async def _last_words(
        self, nursling: Nursling, running: Running, questions: set[asyncio.Task[None]]
    ) -> Outcome | None:
        nursling.control.tell({"do": "stop"})
        try:
            async with asyncio.timeout(SOFT_S):
                return await self._hear(nursling, running, questions)
        except TimeoutError:
            return None

    async def _hear(self, nursling: Nursling, running: Running, questions: set[asyncio.Task[None]]) -> Outcome | None:
        """What its process says, up to the outcome; None if the line ends before. Answers its questions."""
        while (words := await nursling.control.hear()) is not None:
            if "ended" not in words:
                question = asyncio.create_task(self._answer(nursling, running, words), name="a question of a handler")
                questions.add(question)
                question.add_done_callback(questions.discard)
                continue
            try:
                outcome = running.stopped if words["ended"] is None else read_outcome(words["ended"])
            except (KeyError, TypeError, ValueError, JobdError) as error:
                self._log.error("the process of a handler said what was not understood", error=repr(error))
                return None
            running.outcome = outcome  # whatever comes now is too late for it
            return outcome
        return None

    async def _answer(self, nursling: Nursling, running: Running, words: Mapping[str, Any]) -> None:
        answer: dict[str, Any] = {"answer": words.get("ask")}
        try:
            answer["value"] = await self._done(running, words["what"], words["with"])
        except JobdError as error:
            answer["error"] = error_words(error)
        except (KeyError, TypeError, ValueError) as error:
            answer["error"] = error_words(OptionError(f"the worker did not understand this: {error!r}"))
        nursling.control.tell(answer)

    async def _done(self, running: Running, what: str, values: list[Any]) -> Any:
        context = running.context
        match what, values:
            case "log", [str(line)] if len(line) <= LONGEST_LINE:
                await self._shard.say(running.delivery, "log", bytes_of(line))
            case "progress", [done, total, message]:
                await context.progress(done, total, message)
            case "heartbeat", []:
                await context.heartbeat()
            case "extend", [seconds]:
                await context.extend(seconds)
            case "read", []:
                (record,) = await self._shard.records([running.delivery.id])
                if record is None:
                    raise JobNotFound(f"job {running.delivery.id} is not there any more")
                return [text_of(part) for part in record]
            case "enqueue", [name, payload, job_id, options]:
                request = Request(name, from_json(bytes_of(payload)), from_record(options), job_id)
                handle = await context.enqueue_request(request)
                return [handle.id, handle.type, handle.queue]
            case _:
                raise ValueError(what)
        return None


def _died(nursling: Nursling, isolation: Isolation, running: Running) -> Outcome:
    """Its process has ended, and nothing was heard of an outcome."""
    status = nursling.ended.result()
    if status is GONE:
        reason = "the process that starts those of handlers has died"
        return Outcome(Ending.LOST, reason=reason, alone=nursling.was_alone)
    if status <= NOT_STARTED:
        return _failed(f"no process could be started for it: {os.strerror(NOT_STARTED - status)}", running)
    if status == -signal.SIGXCPU and isolation.cpu_ms is not None:
        return _failed(f"its process used more than {spoken(isolation.cpu_ms)} of CPU time, and was ended", running)
    ended = how_it_ended(status)
    return _failed(f"its process {'was ' if status < 0 else ''}{ended} before the handler had ended", running)


def _failed(message: str, running: Running) -> Outcome:
    failed = Outcome(Ending.RAISED, error={"type": ProcessDied.__name__, "message": message})
    return ruled_outcome(failed, ProcessDied(message), running)
