from __future__ import annotations

import asyncio

import pytest
from anyio import create_task_group, sleep

from jobd.actors.mailbox import MailboxFull
from jobd.actors.message_actor import StrayCancellation
from jobd.actors.patience import Patience
from tests.actors.cast import Broken, Clerk, Look, Say
from tests.actors.stress import stress

pytestmark = pytest.mark.asyncio(loop_factories=["autojump"])


@pytest.mark.asyncio(loop_factories=["autojump", "uvloop"])
async def test_a_message_actor_can_be_started_and_stopped_in_any_way() -> None:
    await stress(lambda: Clerk(interval=1))


async def test_messages_told_before_the_start_are_heard_after_it() -> None:
    clerk = Clerk()
    clerk.tell(Say("early"))
    await clerk.start()
    await clerk.drain()
    assert clerk.words == ["early"]
    await clerk.stop()


async def test_it_handles_one_message_at_a_time() -> None:
    clerk = Clerk()
    await clerk.start()
    clerk.tell(Say("wait"))
    clerk.tell(Say("next"))
    await clerk.at_gate.wait()
    await sleep(60)
    assert clerk.words == ["wait"]
    clerk.gate.set()
    await clerk.drain()
    assert clerk.words == ["wait", "next"]
    await clerk.stop()


async def test_drain_returns_when_all_that_was_told_has_been_handled() -> None:
    clerk = Clerk()
    await clerk.start()
    await clerk.drain()
    clerk.tell(Say("wait"))
    clerk.tell(Look())
    async with create_task_group() as tasks:
        tasks.start_soon(clerk.drain)
        await clerk.at_gate.wait()
        await sleep(60)
        assert len(clerk.heard) == 1
        clerk.gate.set()
    assert len(clerk.heard) == 2
    await clerk.stop()


async def test_a_stop_breaks_off_the_message_in_hand() -> None:
    clerk = Clerk()
    await clerk.start()
    clerk.tell(Say("wait"))
    await clerk.at_gate.wait()
    await clerk.stop()
    assert clerk.reported == []


async def test_a_full_mailbox_tells_the_sender() -> None:
    clerk = Clerk(capacity=1)
    clerk.tell(Say("a"))
    with pytest.raises(MailboxFull):
        clerk.tell(Say("b"))


async def test_after_a_crash_the_message_is_gone_and_the_next_is_heard() -> None:
    clerk = Clerk()
    clerk.taboo = {"bad"}
    await clerk.start()
    for word in ("good", "bad", "fine"):
        clerk.tell(Say(word))
    await clerk.drain()
    assert clerk.words == ["good", "bad", "fine"]
    assert [(name, str(error)) for name, error in clerk.reported] == [("clerk", "bad")]
    assert not clerk.failed
    await clerk.stop()


async def test_pauses_grow_from_crash_to_crash() -> None:
    clerk = Clerk(patience=Patience(first_pause=1, longest_pause=3))
    clerk.taboo = {"bad"}
    await clerk.start()
    for _ in range(5):
        clerk.tell(Say("bad"))
    await clerk.drain()
    assert [when for when, _ in clerk.heard] == [0, 1, 3, 6, 9]
    await clerk.stop()


async def test_timers_go_on_through_a_crash() -> None:
    clerk = Clerk(patience=Patience(first_pause=25, longest_pause=25), interval=10)
    clerk.taboo = {"bad"}
    clerk.tell(Say("bad"))
    await clerk.start()
    await sleep(45)
    assert clerk.ticks == [25, 30, 40]
    await clerk.stop()


async def test_crashes_past_the_limit_make_it_fail_but_not_fall_silent() -> None:
    clerk = Clerk(patience=Patience(crashes=2, window=60, first_pause=1))
    clerk.taboo = {"bad 1", "bad 2", "bad 3", "bad 4"}
    await clerk.start()
    for word in ("bad 1", "bad 2", "bad 3", "bad 4", "still here"):
        clerk.tell(Say(word))
    assert str(await clerk.wait_failed()) == "bad 3"
    assert len(clerk.reported) == 3
    await clerk.drain()
    assert clerk.words[-1] == "still here"
    assert len(clerk.reported) == 4
    with pytest.raises(Broken, match="bad 3"):
        await clerk.stop()


async def test_crashes_far_apart_are_forgiven() -> None:
    clerk = Clerk(patience=Patience(crashes=1, window=60))
    clerk.taboo = {"bad"}
    await clerk.start()
    for _ in range(5):
        clerk.tell(Say("bad"))
        await sleep(61)
    assert len(clerk.reported) == 5
    assert not clerk.failed
    await clerk.stop()


async def test_a_cancellation_that_was_not_meant_for_the_actor_is_a_crash() -> None:
    class Awaiting(Clerk):
        async def handle(self, message: object) -> None:
            if message == Look():
                stranger = asyncio.get_running_loop().create_future()
                stranger.cancel()
                await stranger
            self.heard.append((0, Say("alive")))

    clerk = Awaiting()
    await clerk.start()
    clerk.tell(Look())
    clerk.tell(Say("hello"))
    await clerk.drain()
    assert clerk.words == ["alive"]
    assert isinstance(clerk.reported[0][1], StrayCancellation)
    await clerk.stop()
