"""What a worker child makes of its order, and what it does when its parent says nothing more."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import pytest

from jobd import log
from jobd.errors import StoreUnavailable
from jobd.roles.membership import Membership
from jobd.roles.worker import child
from jobd.roles.worker.appetite import MOST_AHEAD
from jobd.roles.worker.control import Control
from jobd.roles.worker.engine import Engine
from jobd.settings import Settings
from tests.roles.parts import PATIENCE_S, Parts


@pytest.mark.parametrize(
    ("kind", "most_ahead", "order"),
    [("worker", MOST_AHEAD, "a b"), ("solo", 0, "!a !b")],
)
@pytest.mark.parametrize(
    ("error", "why"), [(StoreUnavailable("it is away"), "it is away"), (KeyError("it"), "KeyError('it')")]
)
async def test_one_for_suspects_takes_them_alone_and_says_why_it_cannot_begin_as_any(
    parts: Parts,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    most_ahead: int,
    order: str,
    error: Exception,
    why: str,
) -> None:
    seen: dict[str, Any] = {}

    def refuse(*_: object, **how: object) -> NoReturn:
        seen.update(how)
        raise error

    monkeypatch.setattr(child, "Engine", refuse)
    monkeypatch.setattr(log, "configure", lambda *how: None)
    worker = parts.settings.worker.model_dump() | {"queue_order": "strict", "queues": ["a", "b"]}
    parts.settings = Settings.model_validate(parts.settings.model_dump(exclude={"worker"}) | {"worker": worker})
    crew = parts.crew()
    ours, theirs = socket.socketpair()
    parent = await Control.over(ours)
    parent.tell(crew._order if kind == "worker" else crew._solo_order)
    with pytest.raises(type(error)):
        await child.main(theirs.detach())
    said = await parent.hear()
    await parent.close()
    assert seen["most_ahead"] == most_ahead
    assert seen["next_order"]() == order
    assert said == {"say": "failed", "why": why, "passes": isinstance(error, StoreUnavailable)}


async def test_one_whose_parent_dies_before_it_has_an_order_ends_without_a_word() -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    await child.main(theirs.detach())


@asynccontextmanager
async def obeying() -> AsyncIterator[tuple[Control, list[str]]]:
    """One that obeys, in this process; what its parent has of its line, and what its engine is told."""
    told: list[str] = []

    def note(what: str) -> Any:
        async def step() -> None:
            told.append(what)

        return step

    engine = SimpleNamespace(**{what: note(what) for what in ("quiet", "drain", "interrupt")})
    membership = SimpleNamespace(tell=lambda **facts: note("shows")())
    parent, line = [await Control.over(end) for end in socket.socketpair()]
    work = asyncio.create_task(child._obey(line, cast("Engine", engine), cast("Membership", membership)))
    try:
        yield parent, told
        await asyncio.wait_for(work, PATIENCE_S)
    finally:
        for end in (parent, line):
            await end.close()


async def test_one_whose_parent_is_dead_gives_its_jobs_back() -> None:
    async with obeying() as (parent, told):
        await parent.close()
    assert told == ["quiet", "interrupt"]


async def test_it_takes_the_steps_that_it_is_told_to_and_says_when_it_has() -> None:
    async with obeying() as (parent, told):
        for what in ("drain", "interrupt", "quiet"):
            parent.tell({"do": what})
            assert await asyncio.wait_for(parent.hear(), PATIENCE_S) == {"say": "done", "what": what}
        parent.tell({"do": "stop"})
    assert told == ["drain", "interrupt", "quiet", "shows"]
