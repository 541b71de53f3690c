"""What handlers are given and what they say: data that does not fit, results, log lines, errors."""

from __future__ import annotations

from io import BytesIO, TextIOWrapper
from typing import Any

import pytest
import structlog

import jobd
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.domain.state import State
from tests.roles.parts import PATIENCE_S, Parts
from tests.roles.working import working


async def test_a_payload_that_does_not_fit_fails_at_once_with_each_wrong_field(parts: Parts) -> None:
    @jobd.job("add")
    async def add(a: int, b: int) -> int:
        return a + b

    async with working(parts, add):
        stranger = Client(store=parts.store, catalog=Catalog())  # has not the plugin, so nothing is checked
        handle = await stranger.enqueue("add", {"a": "one", "c": 3}, queue="default", max_attempts=5)
        job = await stranger.wait(handle.id, PATIENCE_S)
    assert (job.status, job.attempt, (job.error or {})["type"]) == (State.FAILED, 1, "jobd.errors.PayloadError")
    assert all(field in (job.error or {})["message"] for field in ("/a", "/b", "/c"))


async def test_a_result_that_is_too_large_fails_the_job_and_nothing_else(parts: Parts) -> None:
    @jobd.job("large")
    async def large(size: int) -> str:
        return "x" * size

    async with working(parts, large) as client:
        too_large = await client.enqueue(large, {"size": 1_048_576})
        assert len(await (await client.enqueue(large, {"size": 1_048_000})).result(PATIENCE_S)) == 1_048_000
        job = await client.wait(too_large.id, PATIENCE_S)
        assert (job.status, job.attempt) == (State.FAILED, 1)
        assert "keep large data elsewhere" in (job.error or {})["message"]


async def test_what_is_logged_never_fails_the_handler(parts: Parts) -> None:
    circle: dict[str, Any] = {}
    circle["itself"] = circle

    class Mute:
        def __repr__(self) -> str:
            raise ValueError("not even this")

    @jobd.job("chatty", max_attempts=1)
    async def chatty(ctx: jobd.Context) -> None:
        ctx.log.info("half a character \ud83d", event="x", text="y", level=1, self=2, big=2**70)
        ctx.log.warning("circle", circle=circle, mute=Mute(), half="\ud83d")
        ctx.log.error("plain", a=1)

    async with working(parts, chatty) as client:
        handle = await client.enqueue(chatty, {})
        await handle.result(PATIENCE_S)
        lines = await client.logs(handle.id)
    assert [line.level for line in lines] == ["info", "warning", "error"]
    assert lines[0].fields["big"] == str(2**70)
    assert lines[2].fields == {"a": 1}


def breaking(_logger: object, _method: str, _event: object) -> str:
    raise KeyError("a processor of somebody's")


@pytest.mark.parametrize("processors", [None, [breaking]], ids=["set up by nobody", "set up wrongly"])
async def test_a_process_log_that_breaks_of_a_line_fails_no_job(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], processors: list[Any] | None
) -> None:
    before = structlog.get_config()
    structlog.reset_defaults()
    if processors:
        structlog.configure(processors=processors)
    monkeypatch.setattr("sys.stdout", TextIOWrapper(BytesIO(), encoding="utf-8", errors="strict"))

    @jobd.job("chatty", max_attempts=1)
    async def chatty(ctx: jobd.Context) -> None:
        ctx.log.info("half a character \ud83d", half="\ud83d")

    try:
        async with working(parts, chatty) as client:
            handle = await client.enqueue(chatty, {})
            await handle.result(PATIENCE_S)
            assert [line.level for line in await client.logs(handle.id)] == ["info"]
    finally:
        structlog.configure(**before)
    assert "a line of the log could not be written: " in capsys.readouterr().err


async def test_an_error_that_cannot_even_say_what_it_is_is_kept(parts: Parts) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError("not even this")

    @jobd.job("mute", max_attempts=1)
    async def mute() -> None:
        raise Mute

    @jobd.job("cancel-oddly")
    async def cancel_oddly() -> None:
        raise jobd.Cancel(10**30)  # type: ignore[arg-type]  # that is what it is for

    async with working(parts, mute, cancel_oddly) as client:
        job = await client.wait((await client.enqueue(mute, {})).id, PATIENCE_S)
        assert job.status == State.FAILED
        assert (job.error or {})["message"] == "<Mute without words>"
        job = await client.wait((await client.enqueue(cancel_oddly, {})).id, PATIENCE_S)
        assert (job.status, job.reason) == (State.CANCELLED, str(10**30))
