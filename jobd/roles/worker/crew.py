"""The crew: worker children, watched. One that dies is reported to the store at once, so that its jobs are taken over,
and replaced; jobs that may have killed one run alone, in a child that runs one job at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from jobd import clock, log
from jobd.actors.actor import Actor
from jobd.control.workers import QUIET, RESTART, STOP
from jobd.errors import RoleError, StoreError
from jobd.roles.membership import LEFT
from jobd.roles.worker.child_process import ChildProcess
from jobd.roles.worker.events import all_set, set_within
from jobd.roles.worker.succession import Succession
from jobd.store.lease_keeper import LeaseKeeper
from jobd.store.shard import Shard

MOST_SOLO = 4
"""children that run one suspect at a time each"""
SHORTEST_START_LIMIT_S = 30.0
"""a child that has shown no sign for so long, or for `max_loop_block` if that is more, does not begin any more"""
_INTERRUPT_LIMIT_S = 0.9
"""a child that has not given its jobs back by then hangs, and only its death gives them back"""
_STOP_LIMIT_S = 5.0
_REPORT_LIMIT_S = 3.0
_LOOK_S = 1.0
_ASKED = {QUIET: "take no more jobs", STOP: "end", RESTART: "make room for another one"}
_FIRST_REST_S, _LONGEST_REST_S = 10.0, 300.0
"""between two children for suspects of which the first found none that it may run"""


class Crew(Actor):
    """`size` children for all jobs, and up to four more while there are suspects."""

    def __init__(
        self,
        size: int,
        order: Mapping[str, Any],
        solo_order: Mapping[str, Any],
        *,
        shard: Shard,
        keeper: LeaseKeeper,
        max_loop_block_s: float,
        grace_s: float,
        max_jobs: int = 0,
        max_memory: int = 0,
        on_deserted: Callable[[], None] = lambda: None,
    ) -> None:
        """`max_loop_block_s`: a child whose loop shows no sign of life for so many seconds is killed; also one that
        takes longer over one service before it takes jobs. `grace_s`: so many seconds the jobs get of a child that
        leaves for a successor, which it does after about `max_jobs` jobs, or when it has more than `max_memory` bytes
        (0: never). `on_deserted` is called when all places are empty, as people wanted it."""
        super().__init__("worker")
        self._size = size
        self._order = order
        self._solo_order = solo_order
        self._shard = shard
        self._keeper = keeper
        self._max_loop_block_s = max_loop_block_s
        self._grace_s = grace_s
        self._max_jobs = max_jobs
        self._max_memory = max_memory
        self._on_deserted = on_deserted
        self._children: set[ChildProcess] = set()
        self._solo: set[ChildProcess] = set()
        self._posts: set[asyncio.Task[None]] = set()
        self._log = log.get("worker")

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """Open: all children take jobs. Closed: all are dead. Raises RoleError if a child says that it
        cannot begin, or if too many in a row are killed before they do."""
        self._down = asyncio.Event()
        """set as soon as nobody who dies is replaced"""
        self._rest_s = 0.0
        self._rests_until = clock.monotonic()
        self._turn = asyncio.Lock()
        """held by the one child that is waiting for its successor: there is room for one more, not for twice as many"""
        self._places = self._size
        self._is_quiet = False
        watching = asyncio.create_task(self._watch(), name="worker loops")
        try:
            manned = [asyncio.Event() for _ in range(self._size)]
            posts = [self._open(self._post(event)) for event in manned]
            try:
                await all_set(manned, posts)
            except (OSError, RoleError):  # those that take jobs already may bring them to their end
                self._go_down()
                await asyncio.gather(*(self._see_off(child) for child in self._everybody))
                raise
            yield
        finally:
            self._go_down()
            watching.cancel()
            await asyncio.gather(*(self._end(child) for child in self._everybody))
            while self._posts:
                await asyncio.wait(self._posts)

    def suspects_wait(self) -> None:
        """Suspects wait for a process of their own: one more is started, up to the limit."""
        if not self.ready or self._down.is_set() or clock.monotonic() < self._rests_until:
            return
        if len(self._solo) < MOST_SOLO and all(child.up for child in self._solo):
            child = self._new_child(self._solo_order, on_idle=self._idle)
            self._solo.add(child)
            self._open(self._solo_post(child))

    async def quiet(self) -> None:
        """All children fetch no more."""
        self._go_down()
        for child in self._everybody:
            self._open(child.do("quiet"))

    async def drain(self) -> None:
        """Returns when no child runs a job."""
        await asyncio.gather(*(child.do("drain") for child in self._everybody))

    async def interrupt(self) -> None:
        """All children stop their handlers and give the jobs back; a child that cannot do that is ended."""
        await asyncio.gather(*(self._interrupt(child) for child in self._everybody))

    def _go_down(self) -> None:
        self._down.set()
        for child in (*self._children, *self._solo):
            if not child.up:
                child.kill(LEFT)

    @property
    def _everybody(self) -> list[ChildProcess]:
        return [child for child in (*self._children, *self._solo) if child.up]

    # --- one child ---------------------------------------------------------------------------------------------------

    async def _post(self, manned: asyncio.Event) -> None:
        """One place of the crew: a child, and its successors."""
        succession = Succession()
        former: ChildProcess | None = None
        """who waits for the next one to be ready"""
        while not self._down.is_set():
            child = self._new_child(self._order)
            self._children.add(child)
            try:
                await self._until_it_goes(child, manned, former)
            except OSError as error:
                if not manned.is_set():
                    raise
                self._log.error("a worker process could not be started; trying again", error=str(error))
            if child.dismissed:
                self._desert()
                return
            if child.leaves.is_set():
                former = child
                continue
            pause_s = succession.pause_after(child.lived_s, had_jobs=child.left_jobs)
            if not manned.is_set() and not self._down.is_set():
                succession.may_begin_again(child.cause, hopeless=child.hopeless)
            if succession.died_young > 1 and not self._down.is_set():
                self._log.error(
                    "worker processes die soon after their start; the next one waits",
                    in_a_row=succession.died_young,
                    pause_s=pause_s,
                    cause=child.cause,
                )
            await set_within(self._down, pause_s)

    async def _until_it_goes(self, child: ChildProcess, manned: asyncio.Event, former: ChildProcess | None) -> None:
        """One child, from its start to its end, or until it leaves. Then its end is awaited beside its successor."""
        life = asyncio.create_task(self._employ(child, self._children, manned, former), name="a worker's life")
        leaves = asyncio.create_task(child.leaves.wait(), name="a worker leaves")
        await asyncio.wait({life, leaves}, return_when=asyncio.FIRST_COMPLETED)
        leaves.cancel()
        if life.done():
            life.result()
        else:
            self._keep(life)

    async def _solo_post(self, child: ChildProcess) -> None:
        try:
            await self._employ(child, self._solo, asyncio.Event())
        except OSError as error:
            self._log.error("a process for suspects could not be started", error=str(error))
            return
        crashed_idle = child.up and not child.told("stop") and not child.left_jobs
        if crashed_idle or (child.told("stop") and not child.ran):
            # there are suspects, but none that it may run, for their queues are not ours or we do not know their types.
            # Or it does not live long enough to run any
            self._rest_s = min(max(_FIRST_REST_S, 2 * self._rest_s), _LONGEST_REST_S)
            self._rests_until = clock.monotonic() + self._rest_s

    async def _employ(
        self, child: ChildProcess, place: set[ChildProcess], up: asyncio.Event, former: ChildProcess | None = None
    ) -> None:
        """One child, from its start to its end. Sets `up` when it takes jobs; then `former` may go."""
        try:
            await child.start()
            if self._down.is_set():
                child.kill(LEFT)  # nobody needs it any more
            await child.up_or_ended.wait()
            if child.up:
                up.set()
                if self._is_quiet:
                    self._open(child.do("quiet"))
                if former is not None:
                    self._let_go(former)
            await child.ended.wait()
            await self._lay_to_rest(child)
        finally:
            place.discard(child)

    def _give_way(self, child: ChildProcess, stuck: int) -> None:
        """Handlers that heed no stop hold too much of this child: a successor takes its place at once."""
        if not child.leaves.is_set() and not self._down.is_set():
            self._log.error(
                "a worker process leaves for a successor: too many of its handlers heed no stop",
                pid=child.pid,
                member=child.member,
                stuck=stuck,
            )
            child.leaves.set()
            self._let_go(child)

    async def restart(self) -> None:
        """Another process takes each place, one after the other: when it takes jobs, the one before it ends. Returns
        when all have been told to."""
        self._is_quiet = False
        await asyncio.gather(*(self._relieve(child, "asked to") for child in list(self._children)))

    def quiet_all(self) -> None:
        """No child takes any more jobs, nor does who comes in place of one that dies, until a restart."""
        self._is_quiet = True
        for child in self._everybody:
            self._open(child.do("quiet"))

    def status(self) -> list[dict[str, Any]]:
        """What is known of each child."""
        return [
            {
                "member": child.member,
                "pid": child.pid,
                "ran": child.ran,
                "memory": child.memory,
                "quiet": child.told("quiet"),
                "leaving": child.leaves.is_set(),
            }
            for child in self._everybody
        ]

    def _asked(self, child: ChildProcess, what: str) -> None:
        """People want this of one child."""
        if self._down.is_set() or child.ended.is_set():
            return
        self._log.info(f"a worker process is asked to {_ASKED[what]}", pid=child.pid, member=child.member)
        if what == RESTART and child in self._children:
            self._open(self._relieve(child, "asked to"))
        elif what == QUIET:
            self._open(child.do("quiet"))
        else:  # one for suspects has no place of its own
            child.dismissed = True
            child.leaves.set()
            self._let_go(child)

    async def _relieve(self, child: ChildProcess, why: str) -> None:
        """A successor takes its place, and when that one takes jobs, this one ends."""
        async with self._turn:
            if child.leaves.is_set() or child.ended.is_set() or self._down.is_set():
                return
            self._log.info("a worker process leaves for a successor", pid=child.pid, member=child.member, why=why)
            child.leaves.set()
            waits = [asyncio.ensure_future(event.wait()) for event in (child.relieved, child.ended, self._down)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()

    def _let_go(self, child: ChildProcess) -> None:
        if not child.relieved.is_set():
            child.relieved.set()
            self._open(self._see_off(child))

    def _desert(self) -> None:
        self._places -= 1
        if self._places == 0:
            self._log.warning("no worker process is left here, as people wanted it")
            self._on_deserted()

    async def _see_off(self, child: ChildProcess) -> None:
        """What still runs in it may end, up to the grace; the rest is given back."""
        await child.do("quiet")
        with suppress(TimeoutError):
            async with asyncio.timeout(self._grace_s):
                await child.do("drain")
        await self._interrupt(child)
        await self._end(child)

    async def _end(self, child: ChildProcess) -> None:
        """Has it leave, hard if need be."""
        try:
            async with asyncio.timeout(_STOP_LIMIT_S):
                await child.do("stop")
                await child.ended.wait()
        except TimeoutError:
            self._log.error("a worker process does not stop; it is ended", pid=child.pid)
            child.kill(LEFT)

    async def _interrupt(self, child: ChildProcess) -> None:
        try:
            async with asyncio.timeout(_INTERRUPT_LIMIT_S):
                await child.do("interrupt")
        except TimeoutError:
            self._log.error("a worker process does not give its jobs back; it is ended", pid=child.pid)
            child.kill(LEFT)

    async def _lay_to_rest(self, child: ChildProcess) -> None:
        await child.close()
        cause = LEFT if child.told("stop") else child.cause
        if cause != LEFT:
            self._log.error("a worker process died", pid=child.pid, member=child.member, cause=cause)
        if child.member is None:
            return
        self._keeper.remove(self._shard.number, child.member)
        try:
            async with asyncio.timeout(_REPORT_LIMIT_S):
                left = await self._shard.leave(child.member, cause)
        except (StoreError, TimeoutError) as error:
            # its lease ends by itself, and a monitor finds it then
            self._log.warning("the death of a worker could not be reported", member=child.member, error=repr(error))
        else:
            child.left_jobs = left > 0
            if left > 0:
                self._rest_s, self._rests_until = 0.0, clock.monotonic()
                self.suspects_wait()

    # --- what is heard of them ---------------------------------------------------------------------------------------

    def _joined(self, child: ChildProcess, member: str) -> None:
        self._keeper.add(self._shard.number, member, lambda: not child.silent_for(self._max_loop_block_s), lambda: None)

    def _idle(self, child: ChildProcess) -> None:
        """No suspect is left for this one."""
        if not child.told("quiet") and not self._down.is_set():
            self._open(self._dismiss(child))

    async def _dismiss(self, child: ChildProcess) -> None:
        await child.do("quiet")
        await child.do("drain")  # one may have come at the last moment
        await self._end(child)

    async def _watch(self) -> None:
        looked = clock.monotonic()
        while True:
            await asyncio.sleep(_LOOK_S)
            slept, looked = clock.monotonic() - looked, clock.monotonic()
            if slept > 3 * _LOOK_S:
                continue  # we were held up ourselves, and have not heard yet what they said meanwhile
            for child in (*self._children, *self._solo):
                if child.up and child.silent_for(self._max_loop_block_s):
                    child.kill(f"killed: its loop did not run for {self._max_loop_block_s:g} s")
                if child in self._children and not child.leaves.is_set() and (why := self._worn(child)):
                    self._open(self._relieve(child, why))
                start_limit = max(SHORTEST_START_LIMIT_S, self._max_loop_block_s)
                if not child.up and child.silent_for(start_limit):
                    about = f"{child.opening} took longer" if child.opening else "it was not ready"
                    child.kill(f"killed: {about} than {start_limit:g} s", hopeless=True)

    def _worn(self, child: ChildProcess) -> str:
        """Why its time is over; empty if it is not."""
        if 0 < self._max_jobs <= child.ran:
            return f"it has run {child.ran:,} jobs"
        if 0 < self._max_memory < child.memory and child.ran:  # else the next one would be no smaller
            return f"it has {child.memory:,} bytes of memory"
        return ""

    def _new_child(
        self, order: Mapping[str, Any], on_idle: Callable[[ChildProcess], None] = lambda child: None
    ) -> ChildProcess:
        return ChildProcess(
            order, on_joined=self._joined, on_stuck=self._give_way, on_asked=self._asked, on_idle=on_idle
        )

    def _open(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._keep(asyncio.create_task(work, name="a worker's post"))

    def _keep(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self._posts.add(task)
        task.add_done_callback(self._close)
        return task

    def _close(self, post: asyncio.Task[None]) -> None:
        self._posts.discard(post)
        if not post.cancelled() and (error := post.exception()) is not None:
            self.fail(error)
