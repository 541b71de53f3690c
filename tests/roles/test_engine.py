"""The engine in this process, on a real store: what handlers may do to it, and what it does then."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from io import BytesIO, TextIOWrapper
from typing import Any

import anyio
import pytest
import structlog
from structlog.testing import capture_logs

import jobd
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.domain.outcome import Ending
from jobd.domain.state import State
from jobd.roles.worker import stuck
from jobd.roles.worker.engine import Engine
from jobd.store.scripts import load
from jobd.store.settlement import Settlement
from jobd.store.shard import Shard
from tests.real_server import RealServer
from tests.roles.parts import PATIENCE_S, Parts
from tests.roles.working import working


class Gate:
    """Where handlers in threads wait until the test lets them go on."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self._open = threading.Event()
        self._lock = threading.Lock()

    def pass_through(self) -> None:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self._open.wait(PATIENCE_S)
        with self._lock:
            self.inside -= 1

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate() -> Any:
    gate = Gate()
    yield gate
    gate.open()


async def until(look: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE_S):
        while not look():
            await asyncio.sleep(0.005)


async def test_no_more_sync_handlers_run_than_there_are_threads_and_the_others_do_not_wait_here(
    parts: Parts, gate: Gate
) -> None:
    @jobd.job("hold", timeout="2s", max_attempts=1)
    def hold(number: int) -> int:
        time.sleep(0.2)
        return number

    @jobd.job("hold-on")
    def hold_on() -> None:
        gate.pass_through()

    @jobd.job("pass")
    async def quick() -> None: ...

    async with working(parts, hold, hold_on, quick, concurrency=50, threads=2) as client:
        await client.enqueue_many(hold_on, [{}] * 2)
        await until(lambda: gate.inside == 2)
        handles = await client.enqueue_many(hold, [{"number": number} for number in range(22)])
        # an async job is not held up by those that wait for a thread
        await (await client.enqueue(quick, {})).result(PATIENCE_S)
        gate.open()
        # none of them uses up its time while it waits: 22 of 0.2 s each, two at a time, are more than two seconds
        assert [await handle.result(PATIENCE_S) for handle in handles] == list(range(22))


async def test_the_slot_of_a_thread_left_behind_is_not_free(parts: Parts, gate: Gate) -> None:
    @jobd.job("hang", timeout="100ms", max_attempts=1)
    def hang() -> None:
        gate.pass_through()

    @jobd.job("pass")
    async def quick() -> None: ...

    async with working(parts, hang, quick, concurrency=2, threads=2) as client:
        hanging = [await client.enqueue(hang, {}) for _ in range(2)]
        for handle in hanging:
            assert (await client.wait(handle.id, PATIENCE_S)).status == State.FAILED
        # both slots hold a thread that nobody can stop: there is room for nothing else
        waiting = await client.enqueue(quick, {})
        with pytest.raises(jobd.JobdError, match="has not ended"):
            await waiting.result(0.5)
        gate.open()
        await waiting.result(PATIENCE_S)
        assert gate.most == 2


async def test_a_job_comes_back_while_its_old_thread_still_runs(parts: Parts, gate: Gate) -> None:
    ran: list[int] = []

    @jobd.job("hang", timeout="50ms", max_attempts=3, backoff="10ms")
    def hang(ctx: jobd.SyncContext) -> int:
        ran.append(ctx.attempt)
        if not ctx.last_attempt:
            gate.pass_through()
        return ctx.attempt

    async with working(parts, hang, concurrency=5, threads=5) as client:
        assert await (await client.enqueue(hang, {})).result(PATIENCE_S) == 3
        assert ran == [1, 2, 3]
        gate.open()
        assert await (await client.enqueue(hang, {}, max_attempts=1)).result(PATIENCE_S) == 1


async def test_a_cancellation_that_a_handler_leaves_behind_does_not_reach_the_next_one(parts: Parts) -> None:
    @jobd.job("rude")
    async def rude(deaf: bool) -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()  # arrives at the next await, which is not ours any more
        if deaf:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                return "swallowed"
        return "left behind"

    @jobd.job("polite")
    async def polite() -> str:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0.001))
        with anyio.move_on_after(0.01):
            await anyio.sleep(10)
        async with asyncio.timeout(10):
            await asyncio.sleep(0.001)
        return "well"

    async with working(parts, rude, polite, concurrency=1) as client:
        for deaf in (True, False):
            result = await (await client.enqueue(rude, {"deaf": deaf})).result(PATIENCE_S)
            assert result == ("swallowed" if deaf else "left behind")
            for _ in range(3):
                assert await (await client.enqueue(polite, {})).result(PATIENCE_S) == "well"


async def test_a_handler_that_swallows_its_timeout_harms_nobody(parts: Parts) -> None:
    @jobd.job("stubborn", timeout="30ms")
    async def stubborn() -> str:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return "done all the same"
        return "in time"

    @jobd.job("grouped")
    async def grouped() -> None:
        async def fail() -> None:
            raise ValueError("as asked")

        async with asyncio.TaskGroup() as group:
            group.create_task(fail())

    async with working(parts, stubborn, grouped, concurrency=1) as client:
        assert await (await client.enqueue(stubborn, {})).result(PATIENCE_S) == "done all the same"
        job = await client.wait((await client.enqueue(grouped, {}, max_attempts=1)).id, PATIENCE_S)
        assert (job.status, (job.error or {})["type"]) == (State.FAILED, "ExceptionGroup")


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


async def test_an_engine_that_has_lost_its_lease_starts_again_and_is_not_believed_about_before(parts: Parts) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    @jobd.job("contested", max_attempts=1)
    async def contested(ctx: jobd.Context) -> int:
        if ctx.job.deliveries == 1:
            begun.set()
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                return 1  # a zombie that is sure of its work
        return 2

    async with working(parts, contested) as client:
        handle = await client.enqueue(contested, {})
        await begun.wait()
        (before,) = await client.workers()
        await parts.shard.leave(before.id, "")  # as if its lease had run out
        # a suspect now, for which only an engine for suspects will do
        suspects = parts.membership("solo", ["!*"])
        solo = Engine(suspects, client, parts.catalog, {}, concurrency=1, threads=1)
        await solo.start()
        assert await handle.result(PATIENCE_S) == 2
        await solo.stop()
        job = await handle.get()
        assert [attempt.outcome for attempt in job.attempts] == [Ending.LOST, Ending.RETURNED]
        # it works on under another name, and what it said about the time before has changed nothing
        begun.clear()
        other = await client.enqueue(contested, {}, id="another")
        await begun.wait()
        assert (await other.get()).worker not in (None, before.id)
        assert await handle.get() == job
        go_on.set()
        assert await other.result(PATIENCE_S) == 2


async def test_an_interrupted_handler_may_clean_up_and_its_job_is_back(parts: Parts) -> None:
    cleaned: list[str] = []
    begun = asyncio.Event()

    @jobd.job("tidy")
    async def tidy() -> None:
        try:
            begun.set()
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            cleaned.append("yes")

    async with working(parts, tidy) as client:
        handle = await client.enqueue(tidy, {})
        await begun.wait()
    job = await client.get(handle.id)
    assert cleaned == ["yes"]
    assert (job.status, job.attempt, job.attempts[0].outcome) == (State.WAITING, 0, Ending.INTERRUPTED)


async def test_handlers_that_heed_no_stop_are_told_once_each_and_show_in_the_list_of_workers(
    parts: Parts, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stuck, "STUCK_AFTER_S", 0.1)
    monkeypatch.setattr(stuck, "LOOK_S", 0.01)
    go_on = asyncio.Event()

    @jobd.job("deaf", timeout="20ms")
    async def deaf() -> None:
        while not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                continue

    @jobd.job("hang", timeout="20ms", max_attempts=1)
    def hang() -> None:
        gate.pass_through()

    async def stuck_in_list() -> Any:
        (member,) = await client.workers()
        return member.about.get("stuck")

    with capture_logs() as said:
        async with working(parts, deaf, hang, concurrency=10, threads=2) as client:
            jobs = [await client.enqueue(deaf, {}), await client.enqueue(hang, {})]
            with anyio.fail_after(PATIENCE_S):
                while await stuck_in_list() != 2:
                    await asyncio.sleep(0.005)
            go_on.set()
            gate.open()
            with anyio.fail_after(PATIENCE_S):
                while await stuck_in_list() != 0:
                    await asyncio.sleep(0.005)
            await jobs[0].result(PATIENCE_S)
    told = [line for line in said if "heeds no stop" in line["event"]]
    assert {(line["job"], line["type"], line["in_thread"]) for line in told} == {
        (jobs[0].id, "deaf", False),
        (jobs[1].id, "hang", True),
    }
    assert len(told) == 2
    assert all(line["stopped_s_ago"] >= 0.1 for line in told)
    assert len([line for line in said if "that heeded no stop has ended" in line["event"]]) == 2
    # one of two threads is half of them: nobody can replace this process, so it is only said
    assert [line["log_level"] for line in said if "only a restart helps" in line["event"]] == ["error"]


async def test_a_drain_waits_for_the_answer_to_what_is_on_its_way_to_the_store(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, may_pass = asyncio.Event(), asyncio.Event()
    turn = Shard.turn

    async def slow(self: Shard, member: str, settlements: Sequence[Settlement], **how: Any) -> Any:
        if settlements:
            sent.set()
            await may_pass.wait()
        return await turn(self, member, settlements, **how)

    @jobd.job("noop")
    async def noop() -> None: ...

    monkeypatch.setattr(Shard, "turn", slow)
    parts.catalog = Catalog([noop])
    parts.client = client = Client(store=parts.store, catalog=parts.catalog)
    engine = parts.engine()
    await engine.start()
    handle = await client.enqueue(noop, {})
    await sent.wait()
    draining = asyncio.create_task(engine.drain())
    await client.get(handle.id)  # it has had its time to look, and to be wrong
    assert not draining.done()
    may_pass.set()
    await draining
    assert (await handle.status()) is State.COMPLETED
    await engine.stop()


async def test_a_drain_does_not_wait_for_a_thread_whose_attempt_is_settled(parts: Parts, gate: Gate) -> None:
    @jobd.job("hang", timeout="20ms", max_attempts=1)
    def hang() -> None:
        gate.pass_through()

    parts.catalog = Catalog([hang])
    parts.client = client = Client(store=parts.store, catalog=parts.catalog)
    engine = parts.engine()
    await engine.start()
    handle = await client.enqueue(hang, {})
    assert (await client.wait(handle.id, PATIENCE_S)).status == State.FAILED
    await engine.quiet()
    with anyio.fail_after(PATIENCE_S):
        await engine.drain()
    assert gate.inside == 1
    gate.open()
    await engine.stop()


async def test_a_handler_that_swallows_its_stop_ends_at_an_interrupt_as_it_was_told_to(parts: Parts) -> None:
    swallowed = asyncio.Event()

    @jobd.job("deaf", timeout="20ms", max_attempts=1)
    async def deaf() -> None:
        while True:
            try:
                await asyncio.sleep(3_600)
            except asyncio.CancelledError:
                if swallowed.is_set():
                    raise
                swallowed.set()

    async with working(parts, deaf) as client:
        handle = await client.enqueue(deaf, {})
        await swallowed.wait()
    job = await client.get(handle.id)
    assert (job.status, job.attempts[0].outcome) == (State.FAILED, Ending.TIMED_OUT)


async def test_a_word_to_cancel_that_was_lost_with_its_connection_is_made_up_for(
    parts: Parts, session_server: RealServer
) -> None:
    begun = asyncio.Event()

    @jobd.job("patient")
    async def patient() -> None:
        begun.set()
        await asyncio.Event().wait()

    async with working(parts, patient) as client:
        handle = await client.enqueue(patient, {})
        await begun.wait()
        (member,) = await client.workers()
        script, keys = load("cancel"), parts.shard.keys
        words = ["", keys.base, 1_000, b"", handle.id]
        inbox = keys.inbox(member.id)
        with session_server.client() as outside:

            def listeners() -> list[str]:
                return [line["id"] for line in outside.client_list() if line["cmd"] == "blpop"]

            await until(lambda: len(listeners()) == 3)  # the worker, the scheduler, the monitor
            # the word is left and gets lost, and so do the connections on which it might have come
            lost = outside.pipeline(transaction=True)
            lost.fcall(script.function, len(script.keys), *keys.all_fixed(script.keys), *words)
            lost.delete(inbox)
            for listener in listeners():
                lost.client_kill_filter(_id=listener)
            asked, deleted, *_ = lost.execute()
        assert (asked, deleted) == ([b"asked"], 1)
        assert (await client.wait(handle.id, PATIENCE_S)).status == State.CANCELLED
