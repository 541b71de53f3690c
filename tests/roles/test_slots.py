"""Slots: what one job leaves behind in its task, and what becomes of the slot then."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import NoReturn

from jobd.domain.delivery import Delivery
from jobd.roles.worker.slots import Slots
from tests.roles.until import until

TENANT: ContextVar[object] = ContextVar("tenant")


class Touchy:
    """Cannot be compared."""

    def __eq__(self, other: object) -> NoReturn:
        raise RuntimeError("no")

    __hash__ = None  # type: ignore[assignment]  # as of arrays, which cannot be compared either


def job(number: int) -> Delivery:
    return Delivery(f"j{number}", "noop", "default", b"{}", b"", 5, 1, 0, 0.0, 1, 1, 0, False, number, 0.0, "w1")


async def seen_by_jobs(*values: object) -> list[object]:
    """What each of several jobs that run one after the other in one slot finds, before it sets its value."""
    seen: list[object] = []

    async def run(delivery: Delivery) -> None:
        await asyncio.sleep(0)
        seen.append(TENANT.get(None))
        TENANT.set(values[delivery.fence])

    slots = Slots(1, run)
    slots.open()
    slots.give([job(number) for number in range(len(values))])

    async def all_ended() -> bool:
        return slots.busy == 0

    await until(all_ended)
    await slots.close()
    return seen


async def test_what_a_job_sets_in_context_variables_is_not_there_for_the_next_one() -> None:
    assert await seen_by_jobs("a", "b", "c") == [None, None, None]


async def test_a_value_that_cannot_be_compared_reaches_no_other_job() -> None:
    token = TENANT.set(Touchy())
    try:
        first, second = await seen_by_jobs(Touchy(), "b")
        assert first is second is TENANT.get()
    finally:
        TENANT.reset(token)


async def test_a_slot_that_goes_on_as_another_task_is_ended_with_the_others() -> None:
    ended = asyncio.Event()

    async def run(delivery: Delivery) -> None:
        TENANT.set(delivery.id)
        if delivery.fence == 1:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

    slots = Slots(1, run)
    slots.open()
    slots.give([job(0), job(1)])

    async def second_runs() -> bool:
        return slots.begun == 2

    await until(second_runs)
    await slots.close()
    assert ended.is_set()


async def test_slots_that_were_never_opened_can_be_closed() -> None:
    async def refuse(delivery: Delivery) -> None:
        raise AssertionError("these slots are not open")

    await Slots(1, refuse).close()
