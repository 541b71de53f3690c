"""Lists of jobs: whole, in order, page by page, at a bounded cost, also while jobs move."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import UTC, datetime

import orjson
import pytest

from jobd.domain.job import Job
from jobd.domain.state import State
from jobd.errors import InvalidRequest, JobNotFound
from jobd.store import queries
from jobd.store.queries import Filter, Page, list_jobs
from jobd.store.shard import Shard
from jobd.store.store import Store
from tests.store.hands import LOST, START_MS, Clock, Hands, cancelled, done, ended, failed, new_job


def named(jobs: Iterable[Job]) -> list[str]:
    return [job.id for job in jobs]


async def read(store: Store, wanted: Filter | None = None, limit: int = 50) -> list[Page]:
    """All pages."""
    pages = [await list_jobs(store, wanted or Filter(), limit=limit)]
    while (cursor := pages[-1].cursor) is not None:
        pages.append(await list_jobs(store, wanted or Filter(), limit=limit, cursor=cursor))
    return pages


async def listed(store: Store, wanted: Filter | None = None, limit: int = 50) -> list[str]:
    return [job.id for page in await read(store, wanted, limit) for job in page.jobs]


async def one_of_each(hands: Hands) -> list[str]:
    """A job or two in every state, in the order in which they are to be listed."""
    await hands.join()
    for name, end in (("f1", failed), ("f2", failed), ("c1", done), ("c2", done), ("x1", cancelled)):
        hands.clock.forward(1)
        (delivery,) = await hands.active(new_job(name, queue=f"q{name[1]}"))
        await hands.shard.settle("w1", [end(delivery)])
    await hands.active(new_job("a1", unique="k:k:wdba:0"), new_job("a2", unique="l:k:wdba:0"))
    await hands.put(new_job("b2", unique="k:k:wdba:0"), new_job("b3", unique="l:k:wdba:0"))
    await hands.put(new_job("w2", queue="b"), new_job("w1", queue="a", priority=9), new_job("w0", queue="a"))
    await hands.put(new_job("d2", due="+20"), new_job("d1", due="+10"))
    await hands.shard.stage("batch", [new_job("b1")])
    return ["a1", "a2", "w0", "w1", "w2", "d1", "d2", "b1", "b2", "b3", "f2", "f1", "c2", "c1", "x1"]


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
async def test_every_job_is_listed_once_in_one_order_whatever_the_page(store: Store, hands: Hands, limit: int) -> None:
    expected = await one_of_each(hands)
    pages = await read(store, limit=limit)
    assert [job.id for page in pages for job in page.jobs] == expected
    assert all(page.complete for page in pages)
    assert all(len(page.jobs) <= limit for page in pages)


async def test_lists_are_filtered_by_state_queue_type_and_time(store: Store, hands: Hands, clock: Clock) -> None:
    expected = await one_of_each(hands)
    for letter, state in zip("awdbfcx", queries._ORDER, strict=True):
        wanted = Filter(states=frozenset({state}))
        assert await listed(store, wanted) == [name for name in expected if name[0] == letter]
    assert await listed(store, Filter(queue="q1")) == ["f1", "c1", "x1"]
    assert await listed(store, Filter(queue="nowhere")) == []
    await hands.put(new_job("odd", type="odd"))
    assert await listed(store, Filter(type="odd")) == ["odd"]
    moment = datetime.fromtimestamp((START_MS + 3) / 1_000, UTC)
    assert await listed(store, Filter(created_before=moment)) == ["f2", "f1"]
    assert await listed(store, Filter(created_after=moment, queue="q2")) == ["c2"]


async def test_a_job_that_left_its_lane_is_listed_where_it_is_now(store: Store, hands: Hands, shard: Shard) -> None:
    await hands.put(new_job("a"), new_job("b"))
    await shard.cancel(["a"], {})
    assert await listed(store) == ["b", "a"]
    await shard.retry(["a"])
    assert sorted(await listed(store)) == ["a", "b"]


async def test_a_list_goes_on_behind_a_lane_that_has_vanished_meanwhile(
    store: Store, hands: Hands, shard: Shard
) -> None:
    await hands.join()
    for priority in (1, 3, 5):
        await hands.put(*[new_job(f"{priority}-{number}", priority=priority) for number in range(3)])
    waiting = Filter(states=frozenset({State.WAITING}))
    page = await list_jobs(store, waiting, limit=4)
    assert named(page.jobs) == ["1-0", "1-1", "1-2", "3-0"]
    assert len(await hands.fetch(want=6)) == 6
    page = await list_jobs(store, waiting, limit=4, cursor=page.cursor)
    assert named(page.jobs) == ["5-0", "5-1", "5-2"]


async def test_a_list_misses_nothing_in_a_lane_that_moves_up_meanwhile(store: Store, hands: Hands) -> None:
    await hands.join()
    await hands.put(*[new_job(f"j{number:02}") for number in range(20)])
    waiting = Filter(states=frozenset({State.WAITING}))
    page = await list_jobs(store, waiting, limit=8)
    await hands.fetch(want=5)
    page = await list_jobs(store, waiting, limit=4, cursor=page.cursor)
    assert named(page.jobs) == ["j08", "j09", "j10", "j11"]
    await hands.fetch(want=10)
    page = await list_jobs(store, waiting, limit=9, cursor=page.cursor)
    assert named(page.jobs) == [f"j{number}" for number in range(15, 20)]


async def test_suspects_and_jobs_that_stand_aside_are_listed_as_waiting(
    store: Store, hands: Hands, shard: Shard
) -> None:
    await hands.join()
    (delivery,) = await hands.active(new_job("suspect"))
    await shard.settle("w1", [ended(delivery, LOST, "lost")])
    await hands.put(new_job("aside", type="odd"))
    await hands.fetch()
    await hands.put(new_job("plain"))
    for limit in (1, 50):
        assert await listed(store, Filter(states=frozenset({State.WAITING})), limit) == ["suspect", "plain", "aside"]


async def test_jobs_that_ended_in_the_same_moment_are_listed_once_each(store: Store, hands: Hands) -> None:
    await hands.join()
    names = [f"j{number:03}" for number in range(450)]
    batch = await hands.active(*[new_job(name, queue=f"q{name[-1]}") for name in names])
    await hands.shard.settle("w1", [done(delivery) for delivery in batch])
    assert await listed(store, limit=7) == names[::-1]


async def test_a_page_that_passed_over_too_many_ends_early_and_says_so(
    store: Store, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "MOST_SCANNED", 40)
    await hands.put(*[new_job(f"j{number:03}", type="odd" if number == 90 else "noop") for number in range(100)])
    pages = await read(store, Filter(type="odd"))
    assert [(page.scanned, page.complete, named(page.jobs)) for page in pages] == [
        (40, False, []),
        (40, False, []),
        (20, True, ["j090"]),
    ]


@pytest.mark.parametrize("limit", [0, -1, 201])
async def test_a_limit_that_is_none_is_refused(store: Store, limit: int) -> None:
    with pytest.raises(InvalidRequest):
        await list_jobs(store, Filter(), limit=limit)


def sealed(value: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "!",
        "\x00",
        "AAAA",
        sealed({}),
        sealed([]),
        sealed([0, 0]),
        sealed([0, 99, "a"]),
        sealed([-1, 0, "a"]),
        sealed([0, -1, 1.5, "a"]),
        sealed([0, 1, "a", 0, 1, "b", "c", "d"]),
        sealed([0, 2, "a", 1]),
        sealed([0, 0, None]),
        sealed("a" * 10_000),
    ],
)
async def test_a_cursor_that_is_none_is_refused(store: Store, hands: Hands, cursor: str) -> None:
    await hands.put(new_job())
    with pytest.raises(InvalidRequest):
        await list_jobs(store, Filter(), cursor=cursor)


async def test_a_cursor_of_a_shard_that_is_not_ends_the_list(store: Store) -> None:
    assert (await list_jobs(store, Filter(), cursor=sealed([7, 0, "a"]))).jobs == ()


async def test_counts_tell_each_queue_by_state(store: Store, hands: Hands) -> None:
    await one_of_each(hands)
    counts = await store.counts()
    assert list(counts) == ["a", "b", "default", "q1", "q2"]
    assert {state: count for state, count in counts["default"].items() if count} == {
        State.ACTIVE: 2,
        State.DELAYED: 2,
        State.BLOCKED: 3,
    }
    assert {state: count for state, count in counts["a"].items() if count} == {State.WAITING: 2}
    assert sum(counts["q1"].values()) == 3


async def test_jobs_are_found_by_their_id(store: Store, hands: Hands) -> None:
    await hands.put(new_job("a"))
    assert (await store.get("a")).id == "a"
    assert await store.cancel("a", {}) == "cancelled"
    assert await store.retry("a") == "waiting"
    assert await store.logs("a") == []
    for ask in (store.get("b"), store.cancel("b", {}), store.retry("b")):
        with pytest.raises(JobNotFound):
            await ask


async def test_job_types_that_workers_tell_are_known(store: Store) -> None:
    await store.tell_types({"a": {"queue": "x"}, "b": {}})
    await store.tell_types({"b": {"priority": 3}})
    await store.tell_types({})
    assert await store.known_types() == {"a": {"queue": "x"}, "b": {"priority": 3}}


async def test_lists_read_the_same_in_the_older_protocol(redis_url: str, hands: Hands) -> None:
    expected = await one_of_each(hands)
    older = Store.at(f"{redis_url}?protocol=2")
    assert await listed(older, limit=2) == expected
    assert sorted(await older.counts()) == ["a", "b", "default", "q1", "q2"]
    assert [member.id for member in await older.members()] == ["w1"]
    await older.close()


async def test_old_jobs_are_pruned_by_age(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.join()
    for name in "abc":
        (delivery,) = await hands.active(new_job(name))
        await shard.settle("w1", [done(delivery, b"1")])
        clock.forward(1_000)
    assert await shard.prune("default", State.FAILED, 0) == 0
    assert await shard.prune("default", State.COMPLETED, 2_000) == 2
    assert await shard.prune("default", State.COMPLETED, 2_000) == 0
    assert await hands.states(*"abc") == [None, None, State.COMPLETED]
    assert await hands.counts() == {State.COMPLETED: 1}
    assert await shard.link.command("HLEN", shard.keys.fixed("results")) == 1


async def test_pruning_goes_by_five_hundred(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.put(*[new_job(f"j{number}") for number in range(450)])
    await hands.put(*[new_job(f"k{number}") for number in range(450)])
    await shard.cancel([f"j{number}" for number in range(450)], {})
    await shard.cancel([f"k{number}" for number in range(450)], {})
    clock.forward(1)
    assert [await shard.prune("default", State.CANCELLED, 0) for _ in range(3)] == [500, 400, 0]
    assert await hands.counts() == {}
