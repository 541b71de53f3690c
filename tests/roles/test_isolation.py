"""Handlers in processes of their own: whatever such a handler does, only its own attempt suffers."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from jobd_testbed.journal import read

import jobd
from jobd.catalog import Catalog
from jobd.domain.outcome import Ending
from jobd.domain.state import State
from jobd.roles.worker import isolated_calls
from jobd.roles.worker.fork_server import _bind_to
from jobd.roles.worker.nursery import ASK, KILL, Nursery, ask
from jobd.roles.worker.runner import Runner
from jobd.roles.worker.running import Running
from tests.acceptance.processes import lives, words_of
from tests.roles.parts import PATIENCE_S, Parts
from tests.roles.until import until
from tests.roles.working import working

ALONE: dict[str, Any] = {"isolation": "process", "max_attempts": 1}
WAYS = ("process", "none")


async def ended(handle: jobd.JobHandle[Any]) -> jobd.Job:
    return await handle._client.wait(handle.id, PATIENCE_S)


async def test_it_runs_in_a_process_of_its_own_with_all_that_a_context_offers(parts: Parts) -> None:
    async with working(parts) as client:
        seen = [await (await client.enqueue("look-around", {}, **ALONE)).result(PATIENCE_S) for _ in range(2)]
        assert len({os.getpid(), *(each["pid"] for each in seen), *(each["parent"] for each in seen)}) == 4

        talk = await client.enqueue("talk", {"lines": 3}, **ALONE)
        assert await talk.result(PATIENCE_S) == [talk.id, "True"]
        job = await talk.get()
        assert job.progress is not None
        assert (job.progress.done, job.progress.message) == (3, "line 3")
        assert [line.fields for line in await client.logs(talk.id)] == [{"number": n} for n in range(3)]

        sync = await client.enqueue("talk-sync", {"lines": 2}, **ALONE)
        assert await sync.result(PATIENCE_S) == 0
        child = f"child-of-{sync.id}"
        assert await client.result(child, PATIENCE_S) == {"text": "from a thread", "count": 1}
        assert await (await client.enqueue("greet", {"name": "you"}, **ALONE)).result(PATIENCE_S) == "hello, you"


async def test_what_it_enqueues_becomes_real_with_its_completion_alone(parts: Parts) -> None:
    async with working(parts) as client:
        handle = await client.enqueue("spawn", {"children": 3, "fail_first": True}, isolation="process")
        children = await handle.result(PATIENCE_S)
        assert len(children) == 3
        page = await client.list(type="echo")
        assert {job.id for job in page.jobs} == set(children)


async def test_it_ends_as_it_would_in_its_worker(parts: Parts) -> None:
    async with working(parts) as client:
        for name in ("signal", "signal-sync"):
            for what in ("retry", "exit", "nothing", "interrupt"):
                isolated, plain = [await client.enqueue(name, {"what": what}, isolation=how) for how in WAYS]
                assert _told(await ended(isolated)) == _told(await ended(plain))
                assert (await isolated.get()).result == f"{what} was attempt 2"


def _told(job: jobd.Job) -> list[tuple[Any, ...]]:
    return [(a.number, a.outcome, (a.error or {}).get("type"), (a.error or {}).get("message")) for a in job.attempts]


FATES: list[tuple[str, dict[str, Any], str, str]] = [
    ("crash", {"how": "exit"}, "process", "its process exited with code 13 before the handler had ended"),
    ("crash", {"how": "kill"}, "process", "its process was killed by SIGKILL before the handler had ended"),
    ("segfault", {}, "process", "its process was killed by SIGSEGV before the handler had ended"),
    ("gobble", {"size": 10**12}, "process memory=100MB", ""),
    ("spin", {"seconds": 60}, "process cpu=1s", "its process used more than 1s of CPU time, and was ended"),
]


@pytest.mark.threat("S38")
async def test_one_that_takes_its_process_down_spends_its_own_attempts_and_nothing_else(
    parts: Parts, tmp_path: Path
) -> None:
    entry = {"journal": str(tmp_path / "journal"), "key": "k", "seconds": 600}
    async with working(parts) as client:
        neighbours = [await client.enqueue("write", entry, isolation=how) for how in WAYS]
        await until(lambda: _noted(tmp_path / "journal", 2))
        options: dict[str, Any] = {"max_attempts": 2, "backoff": "10ms"}
        handles = [await client.enqueue(name, data, isolation=how, **options) for name, data, how, _ in FATES]
        for handle, (_, _, _, error) in zip(handles, FATES, strict=True):
            job = await ended(handle)
            assert (job.status, job.attempt, job.deliveries) == (State.FAILED, 2, 2)
            assert [attempt.outcome for attempt in job.attempts] == [Ending.RAISED, Ending.RAISED]
            assert job.error is not None
            told = ("ProcessDied", error) if error else ("MemoryError", "")
            assert (job.error["type"], job.error["message"]) == told
        for neighbour in neighbours:
            well = await neighbour.get()
            assert (well.status, well.attempt, well.deliveries) == (State.ACTIVE, 1, 1)


async def test_a_rule_may_say_what_the_death_of_a_process_means(parts: Parts) -> None:
    @jobd.job("crash", isolation="process", on_error={jobd.ProcessDied: jobd.Cancel("it was to be expected")})
    async def crash(how: str = "exit") -> None: ...

    async with working(parts, crash) as client:  # the handler that runs is that of the plugin
        job = await ended(await client.enqueue(crash, {}))
    assert (job.status, job.reason) == (State.CANCELLED, "it was to be expected")


async def test_a_type_that_its_process_does_not_know_is_named(parts: Parts) -> None:
    @jobd.job("only-here", isolation="process", max_attempts=1)
    async def only_here() -> None: ...

    async with working(parts, only_here) as client:
        job = await ended(await client.enqueue(only_here, {}))
    assert (job.error or {})["type"] == "jobd.errors.UnknownJobType"


async def test_one_that_heeds_no_stop_is_killed_when_its_time_is_over(parts: Parts, tmp_path: Path) -> None:
    data: dict[str, Any] = {"seconds": 600}
    entry = data | {"journal": str(tmp_path / "journal"), "key": "k"}
    async with working(parts) as client:
        handles = [
            await client.enqueue(name, entry if name == "deaf" else data, timeout="300ms", **ALONE)
            for name in ("deaf", "block", "hog", "spin")
        ]
        for handle in handles:
            job = await ended(handle)
            assert (job.status, job.attempts[0].outcome) == (State.FAILED, Ending.TIMED_OUT)
            assert (job.error or {})["type"] == "TimeoutError"
        await until(_no_attempt_is_left)


async def _no_attempt_is_left() -> bool:
    return _children_of_nurseries() == []


async def test_a_handler_that_is_cancelled_may_tidy_up_first(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobd.roles.worker.isolated_calls.SOFT_S", PATIENCE_S)
    journal = tmp_path / "journal"
    async with working(parts) as client:
        data = {"journal": str(journal), "key": "k", "seconds": 600}
        handle = await client.enqueue("tidy-up", data, isolation="process")
        await until(lambda: _noted(journal, 1))
        await handle.cancel("enough")
        job = await ended(handle)
        assert (job.status, job.reason) == (State.CANCELLED, "enough")
    assert [note.what for note in read(journal)] == ["start", "CancelledError"]
    assert not lives(read(journal)[0].fence)


async def _noted(journal: Path, count: int) -> bool:
    return len(read(journal)) >= count


@pytest.mark.parametrize("how", ["interrupted", "lease lost"])
async def test_a_job_that_is_given_back_or_lost_is_killed_at_once(parts: Parts, how: str, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    async with working(parts, monitor=False) as client:
        data = {"journal": str(journal), "key": "k", "seconds": 600}
        handle = await client.enqueue("deaf", data, isolation="process")
        await until(lambda: _noted(journal, 1))
        (pid,) = _children_of_nurseries()
        if how == "lease lost":
            (member,) = await client.workers()
            await parts.shard.leave(member.id, "test")
            await client.enqueue("noop", {"text": "wakes it"})  # it learns of its end when it asks for more
            await until(lambda: _gone(pid))
            assert (await handle.status()) is State.ACTIVE
    await until(lambda: _gone(pid))
    if how == "interrupted":
        job = await handle.get()
        assert (job.status, job.attempts[0].outcome) == (State.WAITING, Ending.INTERRUPTED)


async def _gone(pid: int) -> bool:
    return not lives(pid)


def _children(pid: int) -> list[int]:
    found = []
    with suppress(OSError):  # it is gone
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):  # this thread is
                found += [int(word) for word in (task / "children").read_text().split()]
    return found


def _nurseries() -> list[int]:
    return [pid for pid in _children(os.getpid()) if "fork_server" in words_of(pid) and lives(pid)]


def _children_of_nurseries() -> list[int]:
    return [child for pid in _nurseries() for child in _children(pid)]


async def test_a_type_has_its_way_also_where_whoever_enqueued_did_not_know_it(parts: Parts) -> None:
    stranger = jobd.Client(store=parts.store, catalog=Catalog())
    handle = await stranger.enqueue("segfault", {}, queue="default", max_attempts=1)
    assert (await handle.get()).options.isolation is None
    async with working(parts):
        assert (await ended(handle)).status is State.FAILED


async def test_what_it_started_goes_with_it(parts: Parts, tmp_path: Path) -> None:
    async with working(parts) as client:
        data = {"journal": str(tmp_path / "journal"), "key": "k", "seconds": 600}
        pid = await (await client.enqueue("leave-behind", data, **ALONE)).result(PATIENCE_S)
        await until(lambda: _gone(pid))


async def test_nobody_outlives_the_worker(parts: Parts, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    crew = parts.crew()
    await crew.start()
    (member,) = await parts.client.workers()
    data = {"journal": str(journal), "key": "k", "seconds": 600}
    for how in WAYS:
        await parts.client.enqueue("deaf", data, isolation=how)
    await parts.client.enqueue("wait-for-child", {**data, "key": "child"}, isolation="process")
    await until(lambda: _noted(journal, 3))
    (nursery,) = _children(member.about["pid"])
    attempts = _children(nursery)
    assert len(attempts) == 2
    os.kill(member.about["pid"], signal.SIGKILL)
    (grandchild,) = [note.fence for note in read(journal) if note.key == "child"]
    for pid in (nursery, *attempts, grandchild):
        await until(lambda pid=pid: _gone(pid))  # type: ignore[misc]  # mypy wants no default
    await crew.stop()


async def test_a_signal_that_is_meant_for_the_worker_does_not_end_the_nursery(parts: Parts, tmp_path: Path) -> None:
    """A manager of services may send it to all processes there are."""
    journal = tmp_path / "journal"
    async with working(parts) as client:
        data = {"journal": str(journal), "key": "k", "seconds": 1}
        handle = await client.enqueue("wait-for-child", data, isolation="process")
        await until(lambda: _noted(journal, 1))
        (nursery,) = _nurseries()
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(nursery, number)
        await handle.result(PATIENCE_S)
        job = await handle.get()
    assert (job.status, job.deliveries) == (State.COMPLETED, 1)


async def test_nobody_outlives_the_nursery_and_those_it_takes_along_run_again(parts: Parts, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    async with working(parts) as client:
        data = {"journal": str(journal), "seconds": 600}
        handles = [await client.enqueue("hog", data, isolation="process") for _ in range(2)]
        await until(lambda: _noted(journal, 2))
        pids = [note.fence for note in read(journal)]
        os.kill(_nurseries()[0], signal.SIGKILL)
        for pid in pids:
            await until(lambda pid=pid: _gone(pid))  # type: ignore[misc]  # mypy wants no default
        for handle in handles:
            await until(lambda handle=handle: _is_back(handle))  # type: ignore[misc]  # mypy wants no default
        assert await (await client.enqueue("add", {"a": 1}, **ALONE)).result(PATIENCE_S) == 2


async def _is_back(handle: jobd.JobHandle[Any]) -> bool:
    job = await handle.get()
    return (job.status, job.attempt, [a.outcome for a in job.attempts]) == (State.WAITING, 0, [Ending.LOST])


@pytest.mark.threat("S39")
async def test_it_sees_only_the_listed_environment_and_no_line_but_its_own(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("JOBD_TOKEN", "JOBD_REDIS_URL", "REDIS_PASSWORD", "AWS_SECRET", "APP_COLOUR", "APP_SIZE"):
        monkeypatch.setenv(name, "canary")
    async with working(parts, nursery=lambda: Nursery(environment=["APP_*"])) as client:
        seen = await (await client.enqueue("look-around", {}, **ALONE)).result(PATIENCE_S)
        lines_of_others = {line for pid in (os.getpid(), *_nurseries()) for line in _lines(pid)}
    assert {name for name, value in seen["environment"].items() if value == "canary"} == {"APP_COLOUR", "APP_SIZE"}
    assert seen["environment"]["PATH"] == os.environ["PATH"]
    assert lines_of_others
    assert lines_of_others.isdisjoint(seen["descriptors"])


def _lines(pid: int) -> list[str]:
    """What a process holds that may lead to others, beside what it was started with."""
    links = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # the one with which the folder is read
            if int(link.name) > 2:
                links.append(str(link.readlink()))
    return [link for link in links if link.startswith(("socket:", "pipe:"))]


@pytest.mark.threat("S38", "S39")
async def test_its_process_cannot_lift_its_limits_nor_win_rights_and_goes_first_when_memory_is_short(
    parts: Parts,
) -> None:
    async with working(parts) as client:
        bound = "process memory=100MB cpu=1500ms"
        seen = await (await client.enqueue("look-around", {}, isolation=bound)).result(PATIENCE_S)
        free = await (await client.enqueue("look-around", {}, isolation="process")).result(PATIENCE_S)
    memory, most = seen["limits"]["AS"]
    assert memory == most != resource.RLIM_INFINITY
    assert most >= 100_000_000
    assert seen["limits"]["CPU"][0] == 2  # the system counts seconds
    assert free["limits"]["CPU"] == list(resource.getrlimit(resource.RLIMIT_CPU))
    assert free["limits"]["AS"] == list(resource.getrlimit(resource.RLIMIT_AS))
    for each in (seen, free):
        assert each["limits"]["CORE"] == [0, 0]
        assert (each["goes_first"], each["no_new_rights"]) == (1_000, True)
        assert each["ends_by"] == ["SIGINT", "SIGTERM"]


def test_who_finds_its_parent_gone_ends_before_it_runs_anything() -> None:
    pid = os.fork()
    if pid == 0:
        _bind_to(os.getpid())  # which is not its parent
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


async def test_a_job_of_a_batch_is_a_batch_of_one(parts: Parts) -> None:
    async with working(parts) as client:
        handles = [await client.enqueue("length-together", {"text": "x" * n}, **ALONE) for n in (1, 2)]
        results = [await handle.result(PATIENCE_S) for handle in handles]
    assert [result // 1_000_000 for result in results] == [1, 2]
    assert len({result % 1_000_000 for result in results} | {os.getpid()}) == 3


@pytest.mark.threat("S39")
async def test_a_client_of_the_store_is_refused_to_it_with_the_way_out(parts: Parts) -> None:
    async with working(parts) as client:
        job = await ended(await client.enqueue("read-itself", {}, **ALONE))
    assert (job.status, job.result) == (State.COMPLETED, [job.id, "active", "use ctx.enqueue"])


async def test_many_at_a_time_all_end(parts: Parts) -> None:
    async with working(parts) as client:
        handles = await client.enqueue_many("add", [{"a": n} for n in range(40)], isolation="process")
        assert [await handle.result(PATIENCE_S) for handle in handles] == [n + 1 for n in range(40)]
        assert _children_of_nurseries() == []
    assert _nurseries() == []


async def test_the_time_in_which_the_plugins_are_loaded_is_not_that_of_the_first_attempt(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    were_loaded: list[bool] = []
    limit = Runner._limit

    def note(runner: Runner, running: Running, waited_ms: float = 0.0) -> None:
        were_loaded.append(runner._isolated._nursery.loaded)
        limit(runner, running, waited_ms)

    monkeypatch.setattr(Runner, "_limit", note)
    async with working(parts) as client:
        job = await ended(await client.enqueue("add", {"a": 1}, timeout="30s", **ALONE))
    assert (job.status, job.result, were_loaded) == (State.COMPLETED, 2, [True])


async def test_a_job_is_given_back_while_plugins_take_long_to_load(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolated_calls, "WAIT_FOR_PLUGINS_S", 0.01)
    async with working(parts) as client:
        job = await ended(await client.enqueue("add", {"a": 1}, **ALONE))
        assert (job.status, job.result, job.attempt) == (State.COMPLETED, 2, 1)
        assert {attempt.outcome for attempt in job.attempts[:-1]} == {Ending.INTERRUPTED}


async def test_who_asks_more_of_the_nursery_than_the_line_holds_waits_for_room() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        asking = asyncio.gather(*(ask(ours, KILL, number) for number in range(400)))
        await asyncio.sleep(0)
        assert not asking.done()  # as long as the plugins are loaded, nothing is read
        heard = b""
        while len(heard) < 400 * ASK.size:
            heard += await asyncio.get_running_loop().sock_recv(theirs, 65_536)
        await asking
    assert sorted(number for _, number in ASK.iter_unpack(heard)) == list(range(400))
