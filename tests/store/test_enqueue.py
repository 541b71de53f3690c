"""Jobs come in: all of a call or none, each once, however often the call is sent."""

from __future__ import annotations

import time
from typing import Any

import pytest

from jobd.domain.delivery import Met, NewJob
from jobd.domain.state import State
from jobd.domain.when import When
from jobd.errors import EnqueueExpired
from jobd.store.caller import TIME_HOLDS_S
from jobd.store.link import Argument
from jobd.store.scripts import load
from jobd.store.shard import BATCH, Retention, Shard
from jobd.store.store import Store
from tests.store.hands import Arguments, BentLink, Clock, Hands, LossyLink, done, made_id, new_job
from tests.store.unique_jobs import job


async def test_an_enqueued_job_waits_and_reads_back_as_it_was_given(hands: Hands, clock: Clock) -> None:
    job = new_job(queue="mails", priority=3, type="send", payload=b'{"to":"a"}', timeout_ms=5_000, max_attempts=7)
    assert await hands.put(job) == [True]
    seen = await hands.job(job.id)
    assert seen.status is State.WAITING
    assert (seen.queue, seen.priority, seen.type, seen.data) == ("mails", 3, "send", {"to": "a"})
    assert (seen.timeout_ms, seen.max_attempts, seen.attempt, seen.deliveries) == (5_000, 7, 0, 0)
    assert seen.created_at.timestamp() * 1_000 == clock.ms
    assert await hands.counts("mails") == {State.WAITING: 1}


async def test_one_call_takes_jobs_of_many_queues_priorities_and_times(hands: Hands) -> None:
    jobs = [
        new_job(queue=queue, priority=priority, due=due)
        for queue in ("a", "b")
        for priority in (1, 10)
        for due in ("", "+5000")
    ]
    assert await hands.put(*jobs) == [True] * 8
    for queue in ("a", "b"):
        assert await hands.counts(queue) == {State.WAITING: 2, State.DELAYED: 2}


async def test_answers_stand_where_their_jobs_stood_in_the_call(hands: Hands) -> None:
    await hands.put(new_job("b", queue="x"), new_job("d", queue="y"))
    jobs = [new_job(name, queue=queue) for name, queue in zip("abcd", "yxxy", strict=True)]
    assert await hands.put(*jobs) == [True, False, True, False]


async def test_an_id_that_is_twice_in_one_call_is_one_job(hands: Hands) -> None:
    assert await hands.put(new_job("a"), new_job("a", queue="other"), new_job("a")) == [True, False, False]
    assert await hands.counts() == {State.WAITING: 1}


async def test_a_known_id_leaves_the_job_as_it_is(hands: Hands) -> None:
    await hands.put(new_job("a", payload=b"1"))
    assert await hands.put(new_job("a", payload=b"2", due="+9000")) == [False]
    assert (await hands.job("a")).data == 1
    assert await hands.counts() == {State.WAITING: 1}


async def test_a_delayed_job_is_delayed_from_the_moment_it_is_taken_in(hands: Hands, clock: Clock) -> None:
    await hands.put(new_job("a", due="+1500"))
    job = await hands.job("a")
    assert job.status is State.DELAYED
    assert job.run_at.timestamp() * 1_000 == clock.ms + 1_500


async def test_a_job_for_a_moment_that_has_passed_waits_at_once(hands: Hands, clock: Clock) -> None:
    await hands.put(new_job("a", due=str(clock.ms)), new_job("b", due=str(clock.ms + 1)))
    assert await hands.states("a", "b") == [State.WAITING, State.DELAYED]


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x00", b"\x00\xff\xfe\x80 not text", b'"' + b"x" * 10_000_000 + b'"', bytes(range(256)) * 40],
    ids=["empty", "nul", "no utf-8", "10 MB", "all bytes"],
)
async def test_payloads_are_bytes_that_the_store_does_not_look_into(hands: Hands, payload: bytes) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a", payload=payload))
    assert delivery.payload == payload
    (delivery,) = await hands.fetch_again()
    assert delivery.payload == payload
    assert await hands.shard.settle("w1", [done(delivery, payload)]) == [1]
    assert await hands.shard.link.command("HGET", hands.shard.keys.fixed("results"), "a") == (payload or None)


@pytest.mark.parametrize("words", [{}, {"lane_key": "g=a"}, {"expires": When(after_ms=60_000)}])
async def test_a_job_of_which_there_is_nothing_to_say_is_handed_out(hands: Hands, words: dict[str, Any]) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("a", payload=b"", **words))
    assert (delivery.id, delivery.payload) == ("a", b"")


async def test_a_repeat_after_a_lost_reply_answers_as_the_first_would_have(shard: Shard, hands: Hands) -> None:
    await hands.put(new_job("known"))
    shard.link = link = LossyLink(shard.link)
    link.losing = 2
    assert await hands.put(new_job("known", payload=b"9"), new_job("new"), new_job("later", due="+100")) == [
        False,
        True,
        True,
    ]
    assert await hands.counts() == {State.WAITING: 2, State.DELAYED: 1}


@pytest.mark.parametrize("job_id", ["chosen", made_id()])
async def test_a_repeat_does_not_bring_back_a_job_that_ran_and_was_removed_meanwhile(
    shard: Shard, hands: Hands, clock: Clock, job_id: str
) -> None:
    shard.retention = Retention(completed=0, least=0)
    await hands.join()

    async def it_runs() -> None:
        clock.forward(3)
        (delivery,) = await hands.fetch()
        assert await shard.settle("w1", [done(delivery)]) == [1]

    plain = shard.link
    shard.link = link = LossyLink(plain)
    link.losing = 1

    async def before_repeat() -> None:
        shard.link = plain
        await it_runs()

    link.before_repeat = before_repeat
    await hands.put(new_job(job_id))
    assert await hands.states(job_id) == [None]
    assert await hands.counts() == {}


async def test_an_id_of_ones_own_is_free_again_once_its_job_is_removed(
    shard: Shard, hands: Hands, clock: Clock
) -> None:
    shard.retention = Retention(completed=0, least=0)
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    await shard.settle("w1", [done(delivery)])
    clock.forward(1)
    assert await hands.put(new_job("a")) == [True]
    assert await hands.states("a") == [State.WAITING]


async def test_a_repeat_of_the_second_job_of_an_id_is_not_taken_for_the_first(
    shard: Shard, hands: Hands, clock: Clock
) -> None:
    """The first sending never reached the store, and the job of that id that was removed before has no say."""
    shard.retention = Retention(completed=0, least=0)
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    await shard.settle("w1", [done(delivery)])
    clock.forward(1)

    shard.link = BentLink(shard.link, lambda _, again: again)
    assert await hands.put(new_job("a")) == [True]
    assert await hands.states("a") == [State.WAITING]


async def raw_enqueue(shard: Shard, clock: Clock, job: NewJob, *, sent_ms: int, repeat: str = "") -> list[bytes]:
    """The script as it was sent at another moment than it arrives."""
    words: list[Argument] = [
        clock.ms * 1_000,
        shard.keys.base,
        (sent_ms + 60_000) * 1_000,
        sent_ms * 1_000,
        repeat,
        "",
        0,
        *("", "", "", 1),
    ]
    keys = shard.keys.all_fixed(load("enqueue").keys)
    group: list[Argument] = [1, "", job.queue, job.priority, job.due, 1, job.id, job.spec]
    reply: list[bytes] = await shard.link.run("enqueue", keys, [*words, *group])
    return reply


async def test_what_arrives_after_its_deadline_is_refused_and_changes_nothing(
    shard: Shard, hands: Hands, clock: Clock
) -> None:
    sent_ms = clock.ms
    clock.forward(60_001)
    assert await raw_enqueue(shard, clock, new_job("a"), sent_ms=sent_ms) == [b"expired", b""]
    assert await raw_enqueue(shard, clock, new_job("a"), sent_ms=sent_ms, repeat="1") == [b"expired", b"1"]
    assert await hands.states("a") == [None]
    assert await hands.counts() == {}
    clock.forward(-1)
    assert await raw_enqueue(shard, clock, new_job("a"), sent_ms=sent_ms) == [b"ok"]


async def test_a_first_sending_that_comes_late_behind_its_own_repeat_does_not_bring_back_the_job(
    shard: Shard, hands: Hands, clock: Clock
) -> None:
    shard.retention = Retention(completed=0, least=0)
    await hands.join()
    sent_ms, job = clock.ms, new_job("a")
    clock.forward(10_000)
    await raw_enqueue(shard, clock, job, sent_ms=sent_ms, repeat="1")
    (delivery,) = await hands.fetch()
    await shard.settle("w1", [done(delivery)])
    clock.forward(49_000)
    assert await raw_enqueue(shard, clock, job, sent_ms=sent_ms) == [b"ok", 1]
    assert await hands.states("a") == [None]


async def test_an_enqueue_that_is_always_late_says_so(shard: Shard, hands: Hands) -> None:
    shard.link = BentLink(shard.link, lambda first, _: [int(first[0]) + 61_000_000, *first[1:]])
    with pytest.raises(EnqueueExpired):
        await hands.put(new_job("a"))
    assert await hands.states("a") == [None]


async def test_a_repeat_that_is_late_is_not_sent_anew(shard: Shard, hands: Hands) -> None:
    """The first sending may have taken effect so long ago that the store has forgotten its jobs."""
    sendings = []

    def late_repeat(_: Arguments, again: Arguments) -> Arguments:
        sendings.append(again)
        return [int(again[0]) + 61_000_000, *again[1:]]

    shard.link = BentLink(shard.link, late_repeat)
    with pytest.raises(EnqueueExpired):
        await hands.put(new_job("a"))
    assert len(sendings) == 1


async def test_a_server_whose_clock_has_jumped_is_asked_for_the_time_again(shard: Shard) -> None:
    """In earnest, by the server's own clock: what this host believes it to be is an hour behind."""
    shard._know_time(await shard.now_us() - 3_600_000_000)
    assert await shard.enqueue([new_job("a")]) == [True]
    seconds, _ = await shard.link.command("TIME")
    assert abs(await shard.now_us() / 1e6 - int(seconds)) < 2


async def test_the_stores_time_is_asked_for_again_when_it_was_reckoned_for_a_while(
    shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard._know_time(await shard.now_us() - 3_600_000_000)
    monkeypatch.setattr("jobd.clock.monotonic", lambda: time.monotonic() + TIME_HOLDS_S + 1)
    seconds, _ = await shard.link.command("TIME")
    assert abs(await shard.now_us() / 1e6 - int(seconds)) < 60


async def test_a_store_keeps_as_many_as_it_was_told_to(redis_url: str) -> None:
    store = Store.at(redis_url, retention=Retention(completed=0, least=0))
    hands = Hands(store.shards[0], Clock(store.shards[0]))
    await hands.join()
    (delivery,) = await hands.active(new_job("a"))
    await hands.settle(done(delivery))
    kept = await hands.states("a")
    await store.close()
    assert kept == [None]


async def test_the_next_millisecond_is_behind_the_present_one_of_the_store(shard: Shard) -> None:
    seconds, _ = await shard.link.command("TIME")
    assert await shard.next_ms() >= int(seconds) * 1_000
    dictated = Clock(shard)
    assert await shard.next_ms() == dictated.ms + 1


async def test_of_several_that_have_one_id_the_first_is_made_wherever_they_are_to_go(hands: Hands) -> None:
    jobs = [new_job("a", queue="one"), new_job("b", queue="two"), new_job("b", queue="one")]
    assert await hands.put(*jobs) == [True, True, False]
    assert (await hands.job("b")).queue == "two"
    await hands.put(job("owner"))
    assert await hands.put(job("c"), job("c")) == [Met("owner", False)] * 2


async def test_five_hundred_jobs_are_taken_in_by_one_script(hands: Hands) -> None:
    jobs = [new_job(priority=1 + at % 10, due="" if at % 2 else "+10") for at in range(BATCH)]
    assert await hands.put(*jobs) == [True] * BATCH
    assert await hands.counts() == {State.WAITING: 250, State.DELAYED: 250}
