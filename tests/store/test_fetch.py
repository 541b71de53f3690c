"""Waiting jobs go to workers: in order, each to one, as many as asked for, and the same ones again if asked again."""

from __future__ import annotations

import pytest

from jobd.domain.limits import Scope, gate_of
from jobd.domain.state import State
from jobd.domain.when import When
from jobd.errors import LeaseLost
from jobd.store.link import pairs
from jobd.store.shard import DEADLINE_MARGIN_MS, Retention, Shard
from tests.real_server import RealServer
from tests.store.hands import LEASE_MS, LOST, Clock, Hands, done, ended, given_back, ids, new_job

LANES = ["", "g=x", "o=x", "c=x:5", "r=x:5/1000"]


def reads(server: RealServer) -> int:
    """How often lanes have been read."""
    with server.client() as client:
        return int(client.info("commandstats")["cmdstat_lrange"]["calls"])


async def test_a_fetched_job_is_active_in_its_workers_hands(hands: Hands, clock: Clock) -> None:
    await hands.join()
    await hands.put(new_job("a", priority=2, payload=b"[1]", timeout_ms=7))
    (delivery,) = await hands.fetch()
    assert (delivery.id, delivery.type, delivery.queue, delivery.payload) == ("a", "noop", "default", b"[1]")
    assert (delivery.attempt, delivery.deliveries, delivery.crashes, delivery.suspect) == (1, 1, 0, False)
    assert (delivery.holder, delivery.priority, delivery.timeout_ms) == ("w1", 2, 7)
    assert delivery.fence >= clock.ms * 1_000
    job = await hands.job("a")
    assert (job.status, job.worker, job.attempt) == (State.ACTIVE, "w1", 1)
    assert job.started_at is not None
    assert job.started_at.timestamp() * 1_000 == clock.ms
    assert await hands.counts() == {State.ACTIVE: 1}


async def test_a_worker_gets_what_it_asks_for_and_no_more(hands: Hands) -> None:
    await hands.join()
    await hands.put(*[new_job() for _ in range(5)])
    assert len(await hands.fetch(want=3)) == 3
    assert len(await hands.fetch(want=3)) == 2
    assert await hands.fetch(want=3) == []
    assert await hands.fetch(want=0) == []


async def test_no_more_is_handed_out_than_was_asked_for_where_many_before_it_have_left(
    hands: Hands, shard: Shard
) -> None:
    await hands.join()
    await hands.put(*[new_job(f"j{number:03}") for number in range(100)])
    await shard.cancel([f"j{number:03}" for number in range(50)], {})
    assert ids(await hands.fetch(want=3)) == ["j050", "j051", "j052"]


async def test_jobs_are_served_by_priority_and_in_order_within_one(hands: Hands) -> None:
    await hands.join()
    for turn in range(3):
        for priority in (10, 1, 5, 3, 7, 2, 9, 4, 8, 6):
            await hands.put(new_job(f"{priority}-{turn}", priority=priority))
    expected = [f"{priority}-{turn}" for priority in range(1, 11) for turn in range(3)]
    assert ids(await hands.fetch(want=7)) + ids(await hands.fetch(want=100)) == expected


async def test_the_order_within_one_call_is_kept(hands: Hands) -> None:
    await hands.join()
    names = [f"j{number:03}" for number in range(200)]
    await hands.put(*[new_job(name) for name in names])
    assert ids(await hands.fetch(want=200)) == names


async def test_the_same_sequence_gets_the_same_batch_and_the_next_one_the_rest(hands: Hands) -> None:
    await hands.join()
    await hands.put(new_job("a"), new_job("b"), new_job("c"))
    first = await hands.fetch(want=2)
    again = await hands.fetch_again(want=2)
    assert [(d.id, d.fence, d.attempt, d.deliveries) for d in again] == [
        (d.id, d.fence, d.attempt, d.deliveries) for d in first
    ]
    assert ids(await hands.fetch(want=2)) == ["c"]
    assert await hands.counts() == {State.ACTIVE: 3}


async def test_a_repeat_does_not_hold_what_was_settled_since(hands: Hands, shard: Shard) -> None:
    await hands.join()
    first, second = await hands.active(new_job("a"), new_job("b"))
    await shard.settle("w1", [done(first)])
    assert ids(await hands.fetch_again()) == [second.id]


async def test_a_repeat_does_not_hold_another_job_of_the_same_id(hands: Hands, shard: Shard) -> None:
    shard.retention = Retention(completed=0, least=0)
    await hands.join()
    (first,) = await hands.active(new_job("a"))
    await shard.settle("w1", [done(first)])
    await hands.put(new_job("a"))
    assert await hands.fetch_again() == []
    assert await hands.states("a") == [State.WAITING]


async def test_a_request_that_comes_behind_a_later_one_gets_nothing(hands: Hands, shard: Shard) -> None:
    """It was repeated and answered long ago: jobs that it took would be in nobody's hands."""
    await hands.join()
    await hands.fetch()
    await hands.fetch()
    await hands.put(new_job("a"))
    assert await shard.turn("w1", [], sequence=1, want=10, types=",noop,") == ([], [])
    assert await hands.states("a") == [State.WAITING]
    assert ids(await hands.fetch()) == ["a"]


async def test_two_workers_never_get_the_same_job(hands: Hands) -> None:
    await hands.join("w1")
    await hands.join("w2")
    await hands.put(*[new_job() for _ in range(10)])
    one, two = await hands.fetch("w1", want=6), await hands.fetch("w2", want=6)
    assert len(one) == 6
    assert len(two) == 4
    assert not set(ids(one)) & set(ids(two))


async def test_who_has_not_joined_gets_nothing(hands: Hands) -> None:
    await hands.put(new_job("a"))
    with pytest.raises(LeaseLost):
        await hands.fetch("stranger")
    assert await hands.states("a") == [State.WAITING]


async def test_who_lost_the_lease_gets_nothing(hands: Hands, clock: Clock) -> None:
    await hands.join()
    await hands.put(new_job("a"))
    clock.forward(LEASE_MS)
    assert await hands.fetch(want=0) == []
    clock.forward(1)
    with pytest.raises(LeaseLost):
        await hands.fetch()
    assert await hands.states("a") == [State.WAITING]


async def test_a_worker_serves_the_queues_it_names_only(hands: Hands) -> None:
    await hands.join("w1", "a", "c")
    await hands.put(*[new_job(queue, queue=queue) for queue in ("a", "b", "c")])
    assert sorted(ids(await hands.fetch())) == ["a", "c"]


async def test_queues_take_turns_when_their_jobs_are_equal(hands: Hands, clock: Clock) -> None:
    await hands.join()
    for queue in ("a", "b", "c"):
        clock.forward(1)
        await hands.put(*[new_job(f"{queue}{number}", queue=queue) for number in range(2)])
    served = []
    for _ in range(6):
        clock.forward(1)
        served += ids(await hands.fetch(want=1))
    assert served == ["a0", "b0", "c0", "a1", "b1", "c1"]


async def test_a_queue_has_its_turn_by_the_oldest_of_its_lanes(hands: Hands, clock: Clock) -> None:
    await hands.join()
    for name, queue, lane_key in (("a1", "a", "g=x"), ("b1", "b", ""), ("a2", "a", "g=y")):
        await hands.put(new_job(name, queue=queue, lane_key=lane_key))
        clock.forward(1)
    assert ids(await hands.fetch()) == ["a1", "a2", "b1"]


async def test_many_that_are_equal_are_all_handed_out(hands: Hands, shard: Shard, clock: Clock) -> None:
    queues = [f"q-{number:02}" for number in range(20)]
    await hands.join("w1", "aged", *queues)
    await hands.put(*[new_job(queue, queue=queue) for queue in queues])
    assert sorted(ids(await hands.fetch(want=20))) == queues
    await shard.set_rule("q/aged", {"ageing_ms": 1_000})
    for priority in range(10, 0, -1):
        await hands.put(new_job(f"p-{priority:02}", queue="aged", priority=priority))
        clock.forward(1_000)
    assert len(await hands.fetch(want=20)) == 10


async def test_urgent_jobs_of_any_queue_come_first(hands: Hands, clock: Clock) -> None:
    await hands.join()
    await hands.put(new_job("low", queue="a", priority=9))
    clock.forward(1)
    await hands.put(new_job("high", queue="b", priority=1))
    assert ids(await hands.fetch(want=1)) == ["high"]


@pytest.mark.parametrize("want", [7, 14])
async def test_urgent_jobs_come_first_within_one_batch_too_whatever_their_queue(
    hands: Hands, clock: Clock, want: int
) -> None:
    await hands.join("any")
    await hands.join("some", "b", "a", "c")
    for number, (queue, priority) in enumerate(
        [("a", 1), ("a", 10), ("b", 5), ("c", 1), ("b", 2), ("c", 10), ("a", 5)] * 2
    ):
        clock.forward(1)
        await hands.put(new_job(f"{priority:02}{queue}{number}", queue=queue, priority=priority))
    first, second = ids(await hands.fetch("some", want=want)), ids(await hands.fetch("any", want=want))
    assert [name[:2] for name in first + second] == ["01"] * 4 + ["02"] * 2 + ["05"] * 4 + ["10"] * 4


async def test_a_delivery_has_a_deadline_if_its_job_has_a_time_limit(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join()
    await hands.active(new_job("limited", timeout_ms=1_000), new_job("free"))
    held = pairs(await shard.link.command("ZRANGE", shard.keys.held("w1"), 0, -1, "WITHSCORES"))
    deadlines = {job_id: float(deadline) for job_id, deadline in held}
    assert deadlines == {b"limited": clock.ms + 1_000 + DEADLINE_MARGIN_MS, b"free": float("inf")}


async def test_jobs_that_are_delivered_together_have_each_a_deadline_of_its_own(
    hands: Hands, shard: Shard, clock: Clock
) -> None:
    await hands.join()
    await hands.active(*[new_job(f"{ms}", deadline=When(after_ms=ms)) for ms in (5_000, 2_000, 9_000)])
    held = pairs(await shard.link.command("ZRANGE", shard.keys.held("w1"), 0, -1, "WITHSCORES"))
    assert {int(name): float(at) - clock.ms - DEADLINE_MARGIN_MS for name, at in held} == {
        ms: ms for ms in (2_000, 5_000, 9_000)
    }


async def test_jobs_of_unknown_types_stand_aside_for_those_who_know_them(hands: Hands) -> None:
    await hands.join("w1")
    await hands.join("w2")
    await hands.put(new_job("x1", type="odd"), new_job("a"), new_job("x2", type="odd"), new_job("b"))
    assert ids(await hands.fetch("w1")) == ["a", "b"]
    assert await hands.states("x1", "x2") == [State.WAITING, State.WAITING]
    assert await hands.counts() == {State.WAITING: 2, State.ACTIVE: 2}
    await hands.put(new_job("c"))
    assert ids(await hands.fetch("w1")) == ["c"]
    assert ids(await hands.fetch("w2", types=",odd,noop,")) == ["x1", "x2"]


async def test_jobs_of_a_newer_version_stand_aside_for_workers_that_know_it(hands: Hands, shard: Shard) -> None:
    await hands.join("old")
    await hands.join("new")
    jobs = [new_job("n1"), new_job("a"), new_job("n2", lane_key="o=k"), new_job("n3", due="+10"), new_job("b")]
    await hands.put(*jobs)
    key = shard.keys.fixed("jobs")
    for job_id in ("n1", "n2", "n3"):
        spec = await shard.link.command("HGET", key, job_id)
        await shard.link.command("HSET", key, job_id, b"\x02" + spec[1:])
    hands.clock.forward(20)
    await shard.promote("")
    assert ids(await hands.fetch("old")) == ["a", "b"]
    assert await hands.counts() == {State.WAITING: 3, State.ACTIVE: 2}
    assert sorted(ids(await hands.fetch("new", types=",noop,@2,"))) == ["n1", "n2", "n3"]
    assert [job.id for job in await shard.get(["a", "n1"]) if job] == ["a"]  # it hides no others


@pytest.mark.parametrize("key", ["z=acct:5", "z=acct", "g=x;z=acct:5/1000", "o=k;z=acct:5"])
async def test_jobs_of_a_newer_version_that_pass_gates_which_are_none_here_stop_no_others(
    hands: Hands, shard: Shard, key: str
) -> None:
    await hands.join("old")
    await hands.put(new_job("n1", lane_key=key), new_job("a"))
    jobs = shard.keys.fixed("jobs")
    spec = await shard.link.command("HGET", jobs, "n1")
    await shard.link.command("HSET", jobs, "n1", b"\x02" + spec[1:])
    assert ids(await hands.fetch("old")) == ["a"]
    assert (await hands.counts())[State.WAITING] == 1
    await hands.join("new")
    assert ids(await hands.fetch("new", types=",noop,@2,")) == ["n1"]


async def test_a_type_is_known_by_its_whole_name(hands: Hands) -> None:
    await hands.join()
    await hands.put(new_job("a", type="no"), new_job("b", type="noop-2"), new_job("c", type="noo"))
    assert await hands.fetch(types=",noop,xnoop-2,") == []


async def test_a_type_is_known_however_its_words_are_joined(hands: Hands) -> None:
    await hands.join()
    await hands.put(
        new_job("a", type="send_mail-now"), new_job("b", type="send-mail_now"), new_job("c", type="sendmailnow")
    )
    assert ids(await hands.fetch(types=",send-mail-now,")) == ["a", "b"]


async def test_a_worker_of_all_queues_is_handed_what_waits_in_many_of_them(hands: Hands) -> None:
    await hands.join()
    await hands.put(*[new_job(f"{number:02}", queue=f"q-{number:02}") for number in range(70)])
    assert ids(await hands.fetch(want=70)) == [f"{number:02}" for number in range(70)]


async def test_queues_full_of_unknown_types_do_not_hide_the_others(hands: Hands) -> None:
    await hands.join("w1")
    await hands.put(*[new_job(queue=f"odd-{number:02}", priority=1, type="odd") for number in range(70)])
    assert await hands.fetch() == []
    await hands.put(new_job("a", queue="plain", priority=10))
    assert ids(await hands.fetch()) == ["a"]


async def test_many_unknown_types_in_a_queue_do_not_hide_the_known_one(hands: Hands) -> None:
    await hands.join("w1")
    await hands.put(*[new_job(type=f"odd-{number:02}", priority=1) for number in range(70)])
    assert await hands.fetch() == []
    await hands.put(new_job("a", priority=10))
    assert ids(await hands.fetch()) == ["a"]


async def test_a_worker_that_got_less_than_there_is_finds_a_word_to_go_on(hands: Hands) -> None:
    """One script looks at so many jobs; whoever listens to the inbox asks again at once."""
    await hands.join()
    for _ in range(3):
        await hands.put(*[new_job(type="odd") for _ in range(500)])
    await hands.put(new_job("a"))
    assert await hands.fetch() == []
    assert await hands.words("w1") == ["wake"]
    assert ids(await hands.fetch()) == ["a"]
    assert await hands.words("w1") == []


async def test_five_thousand_free_slots_are_filled_in_several_trips(hands: Hands) -> None:
    await hands.join()
    for _ in range(5):
        await hands.put(*[new_job() for _ in range(500)])
    taken: set[str] = set()
    trips = 0
    while batch := await hands.fetch(want=5_000 - len(taken)):
        taken.update(ids(batch))
        trips += 1
        assert await hands.words("w1") == (["wake"] if len(taken) < 2_500 else [])
    assert (len(taken), trips) == (2_500, 3)


async def test_large_jobs_are_handed_over_a_bounded_amount_at_a_time(hands: Hands) -> None:
    await hands.join()
    payload = b"x" * 1_000_000
    for _ in range(5):
        await hands.put(*[new_job(payload=payload) for _ in range(60)])
    assert 30 <= len(await hands.fetch(want=300)) <= 200
    assert await hands.words("w1") == ["wake"]


async def test_an_id_that_left_its_lane_is_passed_over(hands: Hands, shard: Shard) -> None:
    await hands.join()
    await hands.put(*[new_job(name) for name in "abcd"])
    await shard.cancel(["a", "c"], {})
    assert ids(await hands.fetch(want=1)) == ["b"]
    assert ids(await hands.fetch(want=1)) == ["d"]
    assert not await shard.link.command("EXISTS", shard.keys.lane("default", "5:"))
    assert not await shard.link.command("EXISTS", shard.keys.fixed("ready"))


async def test_what_was_taken_from_a_lane_stands_there_no_more(hands: Hands, shard: Shard) -> None:
    await hands.join()
    await hands.put(*[new_job(name) for name in "abc"])
    await hands.fetch(want=1)
    assert await shard.link.command("LRANGE", shard.keys.lane("default", "5:"), 0, -1) == [b"b", b"c"]


async def test_those_that_left_their_order_are_passed_over_in_one_call(hands: Hands, shard: Shard) -> None:
    await hands.join()
    await hands.put(*[new_job(name, lane_key="o=x") for name in "abcd"])
    await shard.cancel(["a", "b", "c"], {})
    assert ids(await hands.fetch()) == ["d"]


@pytest.mark.parametrize("key", ["", "o=x"])
async def test_no_call_looks_at_more_than_so_many_that_have_left(
    hands: Hands, shard: Shard, session_server: RealServer, key: str
) -> None:
    await hands.join()
    for _ in range(3):
        gone = [new_job(lane_key=key) for _ in range(400)]
        await hands.put(*gone)
        await shard.cancel([job.id for job in gone], {})
    await hands.put(new_job("a", lane_key=key))
    before = reads(session_server)
    assert await hands.fetch(want=1) == []
    assert reads(session_server) - before < 1_100
    assert await hands.words("w1") == ["wake"]
    assert ids(await hands.fetch(want=1)) == ["a"]


async def test_a_worker_with_one_slot_finds_its_way_through_many_that_have_left(
    hands: Hands, shard: Shard, session_server: RealServer
) -> None:
    await hands.join()
    gone = [new_job() for _ in range(900)]
    for at in (0, 450):
        await hands.put(*gone[at : at + 450])
    await hands.put(new_job("a"), new_job("b"), new_job("c"))
    for at in (0, 450):
        await shard.cancel([job.id for job in gone[at : at + 450]], {})
    before = reads(session_server)
    for name in "abc":
        assert ids(await hands.fetch(want=1)) == [name]
    assert reads(session_server) - before < 30


async def test_a_job_that_stands_twice_in_its_lane_is_delivered_once(hands: Hands, shard: Shard) -> None:
    await hands.join()
    await hands.put(new_job("a"), new_job("b"))
    await shard.cancel(["a"], {})
    await shard.retry(["a"])
    assert sorted(ids(await hands.fetch())) == ["a", "b"]
    assert await hands.fetch() == []


async def test_a_place_that_a_job_once_had_in_another_queue_does_not_count(hands: Hands, shard: Shard) -> None:
    shard.retention = Retention(failed=0, least=0)
    await hands.join("w1", "a")
    await hands.put(new_job("x", queue="a"), new_job("y", queue="a"))
    await shard.cancel(["x", "y"], {})
    await hands.put(new_job("x", queue="b"), new_job("y", queue="a", priority=9), new_job("z", queue="a"))
    assert ids(await hands.fetch()) == ["z", "y"]
    assert await hands.states("x") == [State.WAITING]


async def test_a_place_that_a_job_once_had_in_another_queue_leads_it_round_no_limit_of_its_own(
    hands: Hands, shard: Shard
) -> None:
    shard.retention = Retention(failed=0, least=0)
    await hands.join("w1", "a", "b")
    await hands.put(new_job("x", queue="a", lane_key="g=x"))
    await shard.cancel(["x"], {})
    await shard.set_rule("g/b/x", {"concurrency": 1})
    await hands.put(new_job("y", queue="b", lane_key="g=x"), new_job("x", queue="b", lane_key="g=x"))
    assert ids(await hands.fetch(order="b a")) == ["y"]


@pytest.mark.parametrize(("key", "weight"), [("", None), ("c=two:1", None), ("c=two:1", 2), ("g=x;c=one:1", None)])
async def test_a_place_that_a_job_once_had_in_the_lane_of_another_key_takes_up_nothing_there(
    hands: Hands, shard: Shard, key: str, weight: int | None
) -> None:
    shard.retention = Retention(failed=0, least=0)
    await hands.join()
    await hands.put(new_job("x", lane_key="c=one:1"), new_job("y", lane_key="c=one:1"))
    await shard.cancel(["x"], {})
    hands.clock.forward(1)  # that lane comes first
    await hands.put(new_job("x", lane_key=key, weight=weight, priority=5 if "g=" not in key else 9))
    assert "y" in ids(await hands.fetch())


@pytest.mark.parametrize("key", LANES)
async def test_a_job_that_came_back_into_its_lane_is_handed_out_once(hands: Hands, shard: Shard, key: str) -> None:
    await hands.join()
    await hands.put(new_job("a", lane_key=key))
    await shard.cancel(["a"], {})
    await shard.retry(["a"])
    assert ids(await hands.fetch()) == ["a"]


@pytest.mark.parametrize("key", LANES)
async def test_a_job_that_was_made_again_in_its_lane_is_handed_out_once(hands: Hands, shard: Shard, key: str) -> None:
    shard.retention = Retention(failed=0, least=0)
    await hands.join()
    await hands.put(new_job("a", lane_key=key))
    await shard.cancel(["a"], {})
    assert await hands.put(new_job("a", lane_key=key)) == [True]
    assert ids(await hands.fetch()) == ["a"]


async def test_a_place_that_a_suspect_had_before_it_was_one_does_not_count(hands: Hands, shard: Shard) -> None:
    await hands.join()
    await hands.put(new_job("a"))
    await shard.cancel(["a"], {})
    await shard.retry(["a"])
    (delivery,) = await hands.fetch(want=1)
    await shard.settle("w1", [ended(delivery, LOST, "lost")])
    assert await hands.fetch() == []
    assert await hands.states("a") == [State.WAITING]


async def test_an_interrupted_job_comes_first_again(hands: Hands, shard: Shard) -> None:
    await hands.join()
    batch = await hands.active(*[new_job(name) for name in "abc"])
    await hands.put(new_job("d"))
    await shard.settle("w1", [given_back(delivery) for delivery in batch])
    assert ids(await hands.fetch()) == ["a", "b", "c", "d"]


async def test_suspects_are_served_to_workers_for_suspects_only(hands: Hands, shard: Shard) -> None:
    await hands.join("w1")
    await hands.join("solo", "!*")
    (delivery,) = await hands.active(new_job("a"))
    await shard.settle("w1", [ended(delivery, LOST, "lost")])
    await hands.put(new_job("b"))
    assert ids(await hands.fetch("w1")) == ["b"]
    (delivery,) = await hands.fetch("solo")
    assert (delivery.id, delivery.suspect, delivery.attempt, delivery.deliveries) == ("a", True, 1, 2)


async def test_workers_for_the_suspects_of_some_queues_serve_those(hands: Hands, shard: Shard) -> None:
    await hands.join("w1")
    await hands.join("solo", "!b")
    batch = await hands.active(new_job("a", queue="a"), new_job("b", queue="b"))
    await shard.settle("w1", [ended(delivery, LOST, "lost") for delivery in batch])
    assert ids(await hands.fetch("solo")) == ["b"]


async def test_the_fence_grows_even_when_the_clock_steps_back(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join()
    (first,) = await hands.active(new_job("a"))
    clock.forward(-5_000)
    await shard.settle("w1", [given_back(first)])
    (second,) = await hands.fetch()
    assert second.fence == first.fence + 1


async def test_the_order_of_the_lines_counts_before_the_priority_of_their_jobs(hands: Hands) -> None:
    await hands.join("w1", "a", "b", "c")
    for queue in "cab":
        await hands.put(
            new_job(f"{queue}-low", queue=queue, priority=9), new_job(f"{queue}-high", queue=queue, priority=1)
        )
    assert ids(await hands.fetch(want=3, order="b c a")) == ["b-high", "b-low", "c-high"]
    assert ids(await hands.fetch(want=3, order="a b c")) == ["a-high", "a-low", "c-low"]


async def test_a_line_that_comes_first_and_may_not_be_served_keeps_no_other_waiting(hands: Hands, shard: Shard) -> None:
    await hands.join("w1", "a", "b")
    await shard.set_rule(gate_of(Scope.QUEUE, "a"), {"concurrency": 1})
    await hands.put(new_job("a1", queue="a"), new_job("a2", queue="a"), new_job("b1", queue="b"))
    assert ids(await hands.fetch(order="a b")) == ["a1", "b1"]


async def test_suspects_are_served_in_the_order_of_their_lines_too(hands: Hands, shard: Shard) -> None:
    await hands.join()
    for batch in (await hands.active(new_job("a", queue="a", priority=1)), await hands.active(new_job("b", queue="b"))):
        await shard.settle("w1", [ended(batch[0], LOST, "lost")])
    await hands.join("solo", "!a", "!b")
    assert ids(await hands.fetch("solo", want=1, order="!b !a")) == ["b"]
