"""An attempt in a process of its own, seen from within: what its worker tells it, and the limits that it sets."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

import jobd
from jobd.catalog import Catalog
from jobd.domain.delivery import Delivery
from jobd.domain.isolation import Isolation
from jobd.domain.outcome import Ending
from jobd.errors import JobNotFound
from jobd.roles.worker import isolated_attempt
from jobd.roles.worker.attempt_words import delivery_words, error_words
from jobd.roles.worker.control import Control
from jobd.roles.worker.isolated_attempt import _Attempt, _lower
from jobd.roles.worker.piped_context import PipedContext
from jobd.services import Services
from tests.roles.parts import PATIENCE_S

_DELIVERY = Delivery("j", "note", "default", b"{}", b"", 5, 4, 0, 0.0, 1, 1, 0, False, 1, 0.0, "w")


@asynccontextmanager
async def attempt_of(job_type: jobd.JobType[Any, Any]) -> AsyncIterator[tuple[_Attempt, Control]]:
    """An attempt in this process, and the end of its line that its worker has."""
    ours, theirs = [await Control.over(end) for end in socket.socketpair()]
    order = {"delivery": delivery_words(_DELIVERY), "isolation": Isolation().to_json()}
    attempt = _Attempt(theirs, order, Catalog([job_type]))
    listening = asyncio.create_task(attempt._listen())
    try:
        yield attempt, ours
    finally:
        listening.cancel()  # first: at the end of the line it ends its process
        await asyncio.wait({listening})
        for end in (theirs, ours):
            await end.close()


async def test_a_handler_whose_stop_comes_before_it_has_begun_never_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    @jobd.job("note")
    async def note() -> None:
        ran.append("it")

    monkeypatch.setattr(isolated_attempt, "_limit", lambda isolation: None)  # this process is to have none
    async with attempt_of(note) as (attempt, _):
        attempt._stop()
        outcome = await attempt._outcome(cast("Services", None))
    assert (outcome.ending, ran) == (Ending.CANCELLED, [])


async def test_what_the_worker_cannot_do_for_a_handler_is_raised_there() -> None:
    @jobd.job("note")
    async def note() -> None: ...

    async with attempt_of(note) as (attempt, worker):
        asking = asyncio.create_task(attempt.ask("read"))
        question = await worker.hear()
        assert question is not None
        worker.tell({"answer": question["ask"], "error": error_words(JobNotFound("it is not there any more"))})
        with pytest.raises(JobNotFound, match="not there any more"):
            await asyncio.wait_for(asking, PATIENCE_S)


async def test_it_enqueues_by_type_and_by_name_through_its_worker() -> None:
    asked: list[tuple[Any, ...]] = []

    async def ask(what: str, *values: Any) -> list[str]:
        asked.append((what, *values))
        return [f"j{len(asked)}", "note", "default"]

    @jobd.job("note")
    async def note() -> None: ...

    loop = asyncio.get_running_loop()
    for known in (Catalog([note]), Catalog([])):
        context = PipedContext(_DELIVERY, ask, known, cast("Services", None), loop)
        handles = [await context.enqueue(which, {}, id="mine") for which in (note, "note")]
        assert [handle.type for handle in handles] == ["note"] * 2
    assert [handle.id for handle in handles] == ["j3", "j4"]
    assert asked == [("enqueue", "note", "{}", "mine", {})] * 4


@pytest.mark.parametrize(("hard", "asked", "limit"), [(100, 200, 100), (200, 100, 100)])
def test_a_limit_that_is_set_for_all_is_never_lifted_by_that_of_a_job(hard: int, asked: int, limit: int) -> None:
    def lower() -> bool:
        resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
        _lower(resource.RLIMIT_CPU, asked)
        return resource.getrlimit(resource.RLIMIT_CPU) == (limit, hard)

    assert _holds_in_a_process_of_its_own(lower)


def _holds_in_a_process_of_its_own(question: Callable[[], bool]) -> bool:
    pid = os.fork()
    if pid == 0:
        holds = False
        try:
            holds = question()
        finally:
            os._exit(0 if holds else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
