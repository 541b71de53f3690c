"""Single enqueues that come at the same time: they share trips, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from jobd.domain.delivery import Met, NewJob
from jobd.domain.job import Job
from jobd.domain.state import State
from jobd.errors import EnqueueExpired, JobNotFound, StoreError, StoreFull, StoreRefused, StoreUnavailable
from jobd.store.gathering import Gathering
from jobd.store.link import PATIENCE_S
from jobd.store.once import Once
from jobd.store.shard import Shard
from jobd.store.store import Store
from tests.real_server import RealServer
from tests.store.hands import Clock, Hands, new_job


class FussyShard(Shard):
    """A shard that takes none of those in whose company a certain job comes."""

    def __init__(self, shard: Shard, unwanted: str, refusal: StoreError) -> None:
        super().__init__(shard.link)
        self.unwanted = unwanted
        self.refusal = refusal
        self.trips: list[int] = []

    async def enqueue(
        self, jobs: Sequence[NewJob], *, once: Once | None = None, patience_s: float = PATIENCE_S
    ) -> list[bool | Met]:
        self.trips.append(len(jobs))
        if any(job.id == self.unwanted for job in jobs):
            raise self.refusal
        return await super().enqueue(jobs, patience_s=patience_s)


def _gathering(shard: Shard) -> Gathering[NewJob, bool | Met]:
    return Gathering(shard.enqueue, most=500)


async def test_many_share_few_trips_and_all_are_taken_in(
    store: Store, hands: Hands, session_server: RealServer
) -> None:
    def calls() -> int:
        with session_server.client() as client:
            return int(client.info("commandstats")["cmdstat_fcall"]["calls"])

    await hands.put(new_job("first"))
    before = calls()
    assert await asyncio.gather(*[store.enqueue([new_job()]) for _ in range(700)]) == [[True]] * 700
    assert calls() - before <= 5
    assert await hands.counts() == {State.WAITING: 701}


async def test_of_many_the_store_has_one_half_while_the_other_is_made_ready(shard: Shard, hands: Hands) -> None:
    gathering = _gathering(watched := FussyShard(shard, "", StoreRefused("nobody")))
    assert await asyncio.gather(*[gathering.answer(new_job()) for _ in range(200)]) == [True] * 200
    assert watched.trips[:2] == [1, 100]
    assert sum(watched.trips) == 200  # the others in one trip, or in several if the first half was back sooner


async def test_each_hears_whether_his_own_was_made(store: Store, hands: Hands) -> None:
    await hands.put(new_job("there"))
    names = ["a", "b", "c", "there", "d", "a", "b", "there"]
    made = await asyncio.gather(*[store.enqueue([new_job(name)]) for name in names])
    assert made == [[True], [True], [True], [False], [True], [False], [False], [False]]
    assert await hands.counts() == {State.WAITING: 5}


async def test_who_gives_up_before_his_job_is_sent_leaves_nothing(store: Store, hands: Hands) -> None:
    calls = [asyncio.ensure_future(store.enqueue([new_job(f"j{number}")])) for number in range(20)]
    await asyncio.sleep(0)
    for call in calls[10:]:
        call.cancel()
    assert await asyncio.gather(*calls[:10]) == [[True]] * 10
    assert await hands.states("j0", "j9", "j10", "j19") == [State.WAITING, State.WAITING, None, None]
    assert await store.enqueue([new_job("after")]) == [True]


async def test_a_job_that_is_refused_is_refused_alone(shard: Shard, hands: Hands) -> None:
    gathering = _gathering(fussy := FussyShard(shard, "j7", StoreRefused("not this one")))
    calls = [gathering.answer(new_job(f"j{number}")) for number in range(10)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(answers.pop(7), StoreRefused)
    assert answers == [True] * 9
    assert fussy.trips == [1, 9, *[1] * 9]
    assert await hands.counts() == {State.WAITING: 9}


@pytest.mark.parametrize("doubt", [StoreUnavailable("no answer"), EnqueueExpired("too late")])
async def test_what_may_have_been_taken_in_is_not_sent_as_if_for_the_first_time(
    shard: Shard, doubt: StoreError
) -> None:
    gathering = _gathering(fussy := FussyShard(shard, "j7", doubt))
    calls = [gathering.answer(new_job(f"j{number}")) for number in range(10)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [bool] + [type(doubt)] * 9
    assert len({id(answer) for answer in answers[1:]}) == 9
    assert str(answers[9]) == str(doubt)
    assert fussy.trips == [1, 9]


class Trips:
    """Trips that end when and how a test says."""

    def __init__(self) -> None:
        self.out: list[tuple[list[str], asyncio.Future[None]]] = []

    async def ask(self, questions: list[str]) -> Sequence[str]:
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.out.append((questions, ended))
        await ended
        return [question.upper() for question in questions]

    @property
    def together(self) -> list[str]:
        return ["".join(questions) for questions, _ in self.out]


async def _come(gathering: Gathering[str, str], who: str) -> list[asyncio.Task[str]]:
    """Each letter is a question."""
    tasks = [asyncio.create_task(gathering.answer(each)) for each in who]
    await _turn()
    return tasks


async def _turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_two_trips_are_out_at_a_time_and_who_waits_goes_when_either_has_ended_as_many_as_may() -> None:
    trips = Trips()
    gathering = Gathering(trips.ask, most=4, most_bytes=9, size=lambda question: 5 if question.isdigit() else 0)
    tasks = [*await _come(gathering, "a"), *await _come(gathering, "bc")]
    tasks += [*await _come(gathering, "def"), *await _come(gathering, "gh123")]
    assert trips.together == ["a", "bc"]
    trips.out[0][1].set_result(None)
    await _turn()
    assert trips.together == ["a", "bc", "defg"]
    trips.out[1][1].set_result(None)
    await _turn()
    assert trips.together == ["a", "bc", "defg", "h12"]
    for at in (2, 3, 4):
        trips.out[at][1].set_result(None)
        await _turn()
    assert trips.together[4:] == ["3"]
    async with asyncio.timeout(PATIENCE_S):
        assert "".join(await asyncio.gather(*tasks)) == "ABCDEFGH123"


@pytest.mark.parametrize("refusal", [None, StoreRefused("one of these"), StoreUnavailable("no answer")])
async def test_who_gives_up_while_his_trip_is_out_keeps_nobody_from_an_answer(refusal: StoreError | None) -> None:
    trips = Trips()
    gathering = Gathering(trips.ask, most=10)
    (first,), (gone, *others) = await _come(gathering, "a"), await _come(gathering, "bcd")
    gone.cancel()
    await _turn()
    if refusal is None:
        trips.out[1][1].set_result(None)
    else:
        trips.out[1][1].set_exception(refusal)
    for _ in range(2):
        await _turn()
        for _, ended in trips.out:
            if not ended.done():
                ended.set_result(None)
    async with asyncio.timeout(PATIENCE_S):
        answers = await asyncio.gather(first, *others, return_exceptions=True)
    doubtful = isinstance(refusal, StoreUnavailable)
    assert list(map(str, answers)) == ["A", *(["no answer"] * 2 if doubtful else ["C", "D"])]


async def test_who_goes_alone_after_a_refusal_and_gives_up_keeps_nobody_from_an_answer() -> None:
    trips = Trips()
    gathering = Gathering(trips.ask, most=10)
    (first,), (gone, other) = await _come(gathering, "a"), await _come(gathering, "bc")
    trips.out[1][1].set_exception(StoreRefused("one of these"))
    await _turn()
    assert trips.together == ["a", "bc", "b", "c"]
    gone.cancel()
    await _turn()
    for at in (2, 0, 3):
        trips.out[at][1].set_result(None)
        await _turn()
    async with asyncio.timeout(PATIENCE_S):
        assert [await first, await other] == ["A", "C"]


async def test_nobody_goes_before_those_who_wait() -> None:
    trips = Trips()
    gathering = Gathering(trips.ask, most=10)
    tasks = [*await _come(gathering, "a"), *await _come(gathering, "b"), *await _come(gathering, "c")]
    for _, ended in trips.out:
        ended.set_result(None)
    tasks += await _come(gathering, "d")  # it comes when both have ended, and the one who waits has not gone yet
    assert trips.together == ["a", "b", "cd"]
    trips.out[2][1].set_result(None)
    async with asyncio.timeout(PATIENCE_S):
        assert "".join(await asyncio.gather(*tasks)) == "ABCD"


async def test_one_that_went_alone_is_not_asked_again_when_it_is_refused() -> None:
    trips = Trips()
    gathering = Gathering(trips.ask, most=10)
    await _come(gathering, "a")
    (refused,) = await _come(gathering, "b")
    trips.out[1][1].set_exception(StoreRefused("not this one"))
    await _turn()
    assert trips.together == ["a", "b"]
    with pytest.raises(StoreRefused):
        await refused
    trips.out[0][1].set_result(None)
    await _turn()


async def test_a_full_store_refuses_each(server_of_ones_own: RealServer) -> None:
    store = Store.at(server_of_ones_own.url)
    hands = Hands(store.shards[0], Clock(store.shards[0]))
    await hands.join()
    with server_of_ones_own.client() as client:
        client.config_set("maxmemory", 1)
        answers = await asyncio.gather(*[store.enqueue([new_job()]) for _ in range(30)], return_exceptions=True)
        assert {type(answer) for answer in answers} == {StoreFull}
        client.config_set("maxmemory", 0)
    assert await asyncio.gather(*[store.enqueue([new_job()]) for _ in range(30)]) == [[True]] * 30
    await store.close()


async def test_who_reads_jobs_at_the_same_time_shares_trips_too(
    store: Store, hands: Hands, session_server: RealServer
) -> None:
    def calls() -> int:
        with session_server.client() as client:
            return int(client.info("commandstats")["cmdstat_fcall"]["calls"])

    names = [f"j{number}" for number in range(100)]
    await hands.put(*map(new_job, names))
    await store.get("j0")
    before = calls()
    answers = await asyncio.gather(*[store.get(name) for name in [*names, "nobody"]], return_exceptions=True)
    assert isinstance(answers.pop(), JobNotFound)
    assert [job.id for job in answers if isinstance(job, Job)] == names
    assert calls() - before <= 5
