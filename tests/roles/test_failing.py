"""What follows from failed attempts, on a real store: rules, backoff functions, signals."""

from __future__ import annotations

import json

import jobd
from jobd.domain.outcome import Ending
from jobd.domain.state import State
from tests.roles.parts import PATIENCE_S, Parts
from tests.roles.working import working


class Declined(Exception): ...


class Busy(Exception): ...


async def test_errors_have_the_consequences_that_their_type_says(parts: Parts) -> None:
    @jobd.job(
        "pay",
        backoff="1h",
        on_error={Declined: jobd.Fail, Busy: jobd.Retry(after=0), KeyError: jobd.Cancel, OSError: "10ms"},
    )
    async def pay(ctx: jobd.Context, what: str) -> int:
        if ctx.attempt == 1:
            raise {"declined": Declined, "busy": Busy, "gone": KeyError, "broken": BrokenPipeError}[what](what)
        return ctx.attempt

    async with working(parts, pay) as client:
        jobs = {what: await client.enqueue(pay, {"what": what}) for what in ("declined", "busy", "gone", "broken")}
        ended = {what: await client.wait(job.id, PATIENCE_S) for what, job in jobs.items()}
    assert {what: job.status for what, job in ended.items()} == {
        "declined": State.FAILED,
        "busy": State.COMPLETED,
        "gone": State.CANCELLED,
        "broken": State.COMPLETED,
    }
    assert (ended["declined"].attempt, len(ended["declined"].attempts)) == (1, 1)
    assert ended["gone"].reason == "'gone'"
    error = ended["gone"].attempts[0].error
    assert error is not None
    assert error["type"] == "KeyError"


async def test_a_rate_limit_spends_no_attempt(parts: Parts) -> None:
    @jobd.job("ask", max_attempts=1, on_error={Busy: lambda failure: jobd.RateLimited(0.01)})
    async def ask(ctx: jobd.Context) -> int:
        if ctx.job.deliveries <= 3:
            raise jobd.RateLimited("10ms", "429") if ctx.job.deliveries % 2 else Busy("429")
        return ctx.attempt

    async with working(parts, ask) as client:
        handle = await client.enqueue(ask, {})
        assert await handle.result(PATIENCE_S) == 1
        job = await handle.get()
    assert [attempt.outcome for attempt in job.attempts] == [*[Ending.RATE_LIMITED] * 3, Ending.RETURNED]
    assert [(attempt.reason, attempt.error is None) for attempt in job.attempts[:2]] == [("429", True), ("429", False)]


async def test_a_backoff_function_sees_the_error_and_the_job_and_its_jobs_may_bring_their_own(parts: Parts) -> None:
    seen: list[tuple[int, str, str]] = []

    def pause(failure: jobd.Failure) -> float:
        seen.append((failure.attempt, str(failure.error), failure.job.data["text"]))
        return 0.01

    @jobd.job("try", max_attempts=3, backoff=pause)
    async def attempt(text: str) -> None:
        raise ValueError(f"no {text}")

    async with working(parts, attempt) as client:
        handle = await client.enqueue(attempt, {"text": "luck"})
        assert (await client.wait(handle.id, PATIENCE_S)).status is State.FAILED
        assert seen == [(number, "no luck", "luck") for number in (1, 2, 3)]
        own = await client.enqueue(attempt, {"text": "own"}, backoff="20ms")
        assert (await client.wait(own.id, PATIENCE_S)).attempt == 3
    assert len(seen) == 3


async def test_an_attempt_that_ran_out_of_time_has_rules_too(parts: Parts) -> None:
    @jobd.job("hang", timeout="50ms", on_error={jobd.TimedOut: jobd.Fail, TimeoutError: jobd.Retry(after=0)})
    async def hang(ctx: jobd.Context, own: bool) -> int:
        import asyncio

        if own and ctx.attempt == 1:
            raise TimeoutError("of its own")
        if not own:
            await asyncio.sleep(PATIENCE_S)
        return ctx.attempt

    async with working(parts, hang) as client:
        ours, own = await client.enqueue_many(hang, [{"own": False}, {"own": True}])
        assert await own.result(PATIENCE_S) == 2
        job = await client.wait(ours.id, PATIENCE_S)
    assert (job.status, job.attempt) == (State.FAILED, 1)
    assert [attempt.outcome for attempt in job.attempts] == [Ending.TIMED_OUT]


async def test_rules_that_break_are_told_and_the_job_is_tried_again(parts: Parts) -> None:
    def broken(failure: jobd.Failure) -> jobd.Fail:
        raise RuntimeError("the rule is wrong")

    @jobd.job("work", backoff="10ms", max_attempts=2, on_error={ValueError: broken})
    async def work() -> None:
        raise ValueError("as asked")

    async with working(parts, work) as client:
        handle = await client.enqueue(work, {})
        job = await client.wait(handle.id, PATIENCE_S)
    assert (job.status, job.attempt) == (State.FAILED, 2)
    assert job.attempts[0].reason == "the rules of its type could not be used: RuntimeError: the rule is wrong"


def look_up(number: int) -> None:
    json.loads(f"{{{number}")


async def test_errors_that_are_alike_have_one_fingerprint(parts: Parts) -> None:
    @jobd.job("read", max_attempts=1)
    async def read(number: int) -> None:
        if number == 0:
            raise ValueError("another")
        look_up(number)

    async with working(parts, read) as client:
        handles = await client.enqueue_many(read, [{"number": number} for number in (17, 423, 0)])
        errors = [(await client.wait(handle.id, PATIENCE_S)).error or {} for handle in handles]
    here = f"{__name__}:"
    assert [error["at"].removeprefix(here) for error in errors[:2]] == ["look_up", "look_up"]
    assert errors[2]["at"].endswith("<locals>.read")
    one, like_it, another = (error["fingerprint"] for error in errors)
    assert one == like_it != another
