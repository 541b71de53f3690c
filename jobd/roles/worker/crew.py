"""The crew: worker children, watched. One that dies is reported to the store at once, so that its jobs are taken over,
and replaced; jobs that may have killed one run alone, in a child that runs one job at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

from jobd import clock, log
from jobd.actors.actor import Actor
from jobd.errors import RoleError, StoreError
from jobd.roles.worker.child_process import ChildProcess
from jobd.store.lease_keeper import LeaseKeeper
from jobd.store.shard import Shard

MOST_SOLO = 4
"""children that run one suspect at a time each"""
START_LIMIT_S = 30.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0
_STEADY_S = 30.0
"""a child that lived this long did not die of its start"""
_LOOK_S = 1.0


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
    ) -> None:
        """`max_loop_block_s`: a child whose loop shows no sign of life for so many seconds is killed."""
        super().__init__("worker")
        self._size = size
        self._order = order
        self._solo_order = solo_order
        self._shard = shard
        self._keeper = keeper
        self._max_loop_block_s = max_loop_block_s
        self._children: set[ChildProcess] = set()
        self._solo: set[ChildProcess] = set()
        self._posts: set[asyncio.Task[None]] = set()
        self._going_down = False
        self._log = log.get("worker")

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """Open: all children take jobs. Closed: all are dead."""
        self._going_down = False
        ready = [asyncio.Event() for _ in range(self._size)]
        for event in ready:
            self._open(self._post(event))
        watching = asyncio.create_task(self._watch(), name="worker loops")
        try:
            await self._wait_ready(ready)
            yield
        finally:
            self._going_down = True
            watching.cancel()
            await asyncio.gather(*(self._end(child) for child in [*self._children, *self._solo]))
            while self._posts:
                await asyncio.wait(self._posts)

    def suspects_wait(self) -> None:
        """Suspects wait for a process of their own: one more is started, up to the limit."""
        if not self._going_down and len(self._solo) < MOST_SOLO and not any(not c.ready.is_set() for c in self._solo):
            self._open(self._solo_post())

    async def quiet(self) -> None:
        """All children fetch no more."""
        self._going_down = True
        await self._all("quiet")

    async def drain(self) -> None:
        """Returns when no child runs a job."""
        await self._all("drain")

    async def interrupt(self) -> None:
        """All children stop their handlers and give the jobs back."""
        await self._all("interrupt")

    def _open(self, post: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(post, name="a worker's post")
        self._posts.add(task)
        task.add_done_callback(self._close)

    def _close(self, post: asyncio.Task[None]) -> None:
        self._posts.discard(post)
        if not post.cancelled() and (error := post.exception()) is not None:
            self.fail(error)

    async def _all(self, what: str) -> None:
        children = [*self._children, *self._solo]
        if children:
            await asyncio.gather(*(child.do(what) for child in children))

    async def _wait_ready(self, ready: list[asyncio.Event]) -> None:
        all_ready = asyncio.create_task(_wait_all(ready), name="all workers ready")
        try:
            done, _ = await asyncio.wait(
                {all_ready, *self._posts}, timeout=START_LIMIT_S, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            all_ready.cancel()
        for ended in done:
            ended.result()  # a post that has ended could not start its process
        if not done:
            raise RoleError(f"no worker process was ready within {START_LIMIT_S:g} s; its log says why")

    async def _post(self, ready: asyncio.Event) -> None:
        """One place of the crew: a child, and its successors."""
        pause = _FIRST_PAUSE_S
        while not self._going_down:
            child = ChildProcess(self._order, on_joined=self._joined)
            started = clock.monotonic()
            await child.start()
            self._children.add(child)
            mark = asyncio.create_task(_pass_on(child.ready, ready), name="first start")
            await child.ended.wait()
            mark.cancel()
            self._children.discard(child)
            await self._lay_to_rest(child)
            if self._going_down:
                return
            pause = _FIRST_PAUSE_S if clock.monotonic() - started > _STEADY_S else min(pause * 2, _LONGEST_PAUSE_S)
            await asyncio.sleep(pause)

    async def _solo_post(self) -> None:
        child = ChildProcess(self._solo_order, on_joined=self._joined)
        await child.start()
        self._solo.add(child)
        try:
            while not child.ended.is_set() and not (child.idle and child.ready.is_set()):
                await asyncio.wait({asyncio.ensure_future(child.ended.wait())}, timeout=_LOOK_S)
            if not child.ended.is_set():
                await child.do("stop")
                await child.ended.wait()
        finally:
            self._solo.discard(child)
            await self._lay_to_rest(child)

    async def _end(self, child: ChildProcess) -> None:
        await child.do("stop")
        await child.close()

    def _joined(self, child: ChildProcess, member: str) -> None:
        self._keeper.add(0, member, lambda: child.ticked_within(self._max_loop_block_s), lambda: None)

    async def _lay_to_rest(self, child: ChildProcess) -> None:
        if not child.ended_well:
            self._log.error("a worker process died", pid=child.pid, member=child.member, cause=child.cause)
        await child.close()
        if child.member is None:
            return
        self._keeper.remove(0, child.member)
        try:
            if await self._shard.leave(child.member, child.cause) > 0:
                self.suspects_wait()
        except StoreError as error:
            # its lease ends by itself, and a monitor finds it then
            self._log.warning("the death of a worker could not be reported", member=child.member, error=str(error))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            for child in [*self._children, *self._solo]:
                if child.ready.is_set() and not child.ticked_within(self._max_loop_block_s):
                    child.kill(f"killed: its loop did not run for {self._max_loop_block_s:g} s")


async def _pass_on(event: asyncio.Event, to: asyncio.Event) -> None:
    await event.wait()
    to.set()


async def _wait_all(events: list[asyncio.Event]) -> None:
    for event in events:
        await event.wait()
