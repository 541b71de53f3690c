from __future__ import annotations

import pytest
from anyio import create_task_group, move_on_after
from anyio.lowlevel import checkpoint

from jobd.actors.mailbox import Mailbox, MailboxFull
from jobd.actors.timer import Tick
from tests.actors.cast import Look, Say

Box = Mailbox[Say | Look | Tick]


async def test_messages_come_in_the_order_they_were_told() -> None:
    box = Box(10)
    for word in "abc":
        box.tell(Say(word))
    assert [await box.receive() for _ in range(3)] == [Say("a"), Say("b"), Say("c")]


async def test_receive_waits_for_a_message() -> None:
    box = Box(10)
    received: list[object] = []

    async def read() -> None:
        received.append(await box.receive())

    async with create_task_group() as tasks:
        tasks.start_soon(read)
        await checkpoint()
        await checkpoint()
        assert received == []
        box.tell(Say("a"))
    assert received == [Say("a")]


async def test_equal_wakeups_that_wait_are_one() -> None:
    box = Box(10)
    for message in (Tick(), Say("a"), Tick(), Look(), Tick("other"), Look()):
        box.tell(message)
    assert [await box.receive() for _ in range(4)] == [Tick(), Say("a"), Look(), Tick("other")]
    assert box.statistics().waiting == 0


async def test_equal_requests_stay_two() -> None:
    box = Box(10)
    box.tell(Say("a"))
    box.tell(Say("a"))
    assert box.statistics().waiting == 2


async def test_a_wakeup_told_while_its_equal_is_handled_is_heard_again() -> None:
    box = Box(10)
    box.tell(Tick())
    assert await box.receive() == Tick()
    box.tell(Tick())
    assert await box.receive() == Tick()


async def test_a_full_mailbox_refuses_requests() -> None:
    box = Box(2)
    box.tell(Say("a"))
    box.tell(Say("b"))
    with pytest.raises(MailboxFull):
        box.tell(Say("c"))
    await box.receive()
    box.tell(Say("d"))
    assert [await box.receive() for _ in range(2)] == [Say("b"), Say("d")]


async def test_a_full_mailbox_takes_a_wakeup_once() -> None:
    box = Box(1)
    box.tell(Say("a"))
    box.tell(Tick())
    box.tell(Tick())
    assert box.statistics().waiting == 2


async def test_wakeups_take_no_room_from_requests() -> None:
    box = Box(1)
    box.tell(Tick())
    box.tell(Say("a"))
    with pytest.raises(MailboxFull):
        box.tell(Say("b"))


async def test_a_reader_that_is_cancelled_loses_no_message() -> None:
    box = Box(10)
    box.tell(Say("a"))
    with move_on_after(0):
        await box.receive()
    assert await box.receive() == Say("a")


async def test_it_is_idle_when_the_reader_has_come_back_and_nothing_waits() -> None:
    box = Box(10)
    steps: list[str] = []

    async def read() -> None:
        while True:
            message = await box.receive()
            await checkpoint()
            steps.append(f"handled {message}")

    async with create_task_group() as tasks:
        box.tell(Tick("1"))
        tasks.start_soon(read)
        await box.wait_idle()
        steps.append("idle")
        box.tell(Tick("2"))
        box.tell(Tick("3"))
        await box.wait_idle()
        steps.append("idle")
        await box.wait_idle()
        tasks.cancel_scope.cancel()
    assert steps == ["handled Tick(name='1')", "idle", "handled Tick(name='2')", "handled Tick(name='3')", "idle"]


async def test_statistics_count_what_happened() -> None:
    box = Box(1)
    box.tell(Say("a"))
    await box.receive()
    box.tell(Say("b"))
    box.tell(Tick())
    box.tell(Tick())
    with pytest.raises(MailboxFull):
        box.tell(Say("c"))
    statistics = box.statistics()
    assert (statistics.capacity, statistics.waiting, statistics.received) == (1, 2, 1)
    assert (statistics.merged, statistics.refused) == (1, 1)


def test_a_mailbox_without_room_cannot_be_made_but_any_other_can_outside_a_loop() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Box(0)
    Box(1).tell(Say("a"))
