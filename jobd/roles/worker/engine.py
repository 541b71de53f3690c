"""The engine: all that runs jobs in one process. Slots run them; one loop of turns settles what has ended and fetches
what there is room for, both in one trip."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from anyio import create_task_group

from jobd import log
from jobd.actors.actor import Actor
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.context import Context
from jobd.domain.delivery import Delivery
from jobd.domain.names import listed, same_name
from jobd.domain.outcome import Ending, Outcome
from jobd.errors import LeaseLost, StoreError, StoreUnavailable
from jobd.intake import told_facts
from jobd.roles.membership import Membership
from jobd.roles.verdicts import Verdicts
from jobd.roles.worker.appetite import MOST_AHEAD, Appetite
from jobd.roles.worker.cancels import CANCELLED, Cancels
from jobd.roles.worker.catch_up import CatchUp
from jobd.roles.worker.nursery import Nursery
from jobd.roles.worker.outbox import Outbox
from jobd.roles.worker.runner import Runner
from jobd.roles.worker.slots import Slots
from jobd.roles.worker.stuck import StuckHandlers
from jobd.services import Services
from jobd.store.inbox import LOOK
from jobd.store.shard import BATCH

_PAUSE_S = 0.5
_OBEY_S = 0.3
"""how long a handler that is interrupted may take to end before its job is given back all the same"""
_TELL_S = 5.0
"""how long it tries to tell the store what it gives back"""
_INTERRUPTED = Outcome(Ending.INTERRUPTED, reason="its worker stopped")
_LOST = Outcome(Ending.LOST, reason="its worker lost the lease")


class Engine(Actor):
    """Runs jobs as a member of one shard."""

    def __init__(
        self,
        membership: Membership,
        client: Client,
        catalog: Catalog,
        plugin_settings: dict[str, dict[str, object]],
        *,
        concurrency: int,
        threads: int,
        nursery: Callable[[], Nursery] = Nursery,
        most_ahead: int = MOST_AHEAD,
        next_order: Callable[[], str] = lambda: "",
        on_joined: Callable[[str], None] = lambda member: None,
        on_asked: Callable[[str], None] = lambda what: None,
        on_idle: Callable[[], None] = lambda: None,
        on_stuck: Callable[[], None] | None = None,
        on_opening: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """`concurrency` jobs at a time, of which `threads` may be sync handlers; `most_ahead` more may wait here for
        their turn, for a moment, as long as jobs are short. `nursery` makes what starts processes for those that are to
        have one of their own. `next_order` gives the order of its queues for each fetch, as QueueOrder.next does.
        `on_joined` is told each id it joins the store under; `on_asked` what people want of its process: "quiet",
        "stop", "restart"; `on_idle` is called when there was no work for a while; `on_stuck` when too many handlers
        heed no stop and somebody can put another engine in place of this one; `on_opening` is told each service before
        it is made."""
        super().__init__("engine")
        self._membership = membership
        self._shard = membership.shard
        self._client = client
        self._catalog = catalog
        self._plugin_settings = plugin_settings
        self._concurrency = concurrency
        self._threads = threads
        self._most_ahead = most_ahead
        self._nursery = nursery
        self._next_order = next_order
        types = catalog.types.values()
        self._types = listed(same_name(job_type.name) for job_type in types)
        self._async_types = listed(same_name(job_type.name) for job_type in types if job_type.is_async)
        self._verdicts = Verdicts(catalog, client.levels)
        self._on_joined = on_joined
        self._on_asked = on_asked
        self._on_idle = on_idle
        self._on_stuck = on_stuck
        self._on_opening = on_opening
        self._log = log.get("worker")
        self._settled = asyncio.Event()

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """Open: it takes jobs. Closed: what it had is settled or given up, and it has left the store."""
        async with Services(self._catalog, self._plugin_settings, on_opening=self._on_opening) as services:
            self._runner = Runner(
                self._catalog,
                self._shard,
                self._client,
                services,
                self._threads,
                self._nursery(),
                slots=self._concurrency,
                settle=self._settle,
                on_late_end=self._look_again,
                on_fault=self.fail,
            )
            self._slots = Slots(self._concurrency, self._run)
            self._appetite = Appetite(self._slots, self._give_back, most_ahead=self._most_ahead)
            running = self._runner.running
            self._stuck = StuckHandlers(running, slots=self._concurrency, threads=self._threads)
            self._outbox = Outbox(self._verdicts, self._log)
            self._cancels = Cancels(self._shard, running, self._slots)
            self._catch_up = CatchUp(self._shard, self._cancels, running, self._slots, self._outbox, self._on_asked)
            self._due = asyncio.Event()
            self._sequence = 0
            self._in_turn = self._interrupted = self._leaving = self._lies_in_wait = False
            self._doubt = False
            """may a fetch have taken effect whose answer did not come?"""
            await self._tell_types()
            await self._join()
            try:
                self._slots.open()
                self._taking = self._look = True
                self._due.set()
                async with create_task_group() as tasks:
                    tasks.start_soon(self._membership.listen, self._hear)
                    tasks.start_soon(self._turns)
                    tasks.start_soon(self._stuck.watch, self._tell_stuck, self._too_many_stuck)
                    yield
                    tasks.cancel_scope.cancel()
            finally:
                await self._slots.close()
                await self._runner.close()
                await self._membership.leave()

    @property
    def busy(self) -> int:
        """How many jobs are in its slots."""
        return self._slots.busy

    @property
    def ran(self) -> int:
        """How many jobs have begun in its slots since its start."""
        return self._slots.begun

    @property
    def stuck(self) -> int:
        """How many handlers heed no stop."""
        return self._stuck.count

    async def quiet(self) -> None:
        """Fetches no more; the store is told, so that nobody wakes it in vain."""
        if self._taking:
            self._taking = False
            self._runner.hurry()
            self._look_again()

    async def drain(self) -> None:
        """Returns when every job has ended and is settled. A handler that goes on after that is not waited for."""
        while self._slots.busy > self._runner.stuck:
            self._settled.clear()
            await self._settled.wait()
        await self._wait_settled()

    async def interrupt(self) -> None:
        """Stops all handlers and gives their jobs back, also those of handlers that do not end: threads, and whoever
        swallows his cancellation."""
        await self.quiet()
        self._interrupted = True
        self._give_back(self._slots.take_back())
        for running in list(self._runner.running.values()):
            running.stop(_INTERRUPTED, sync_too=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(_OBEY_S):
                while self._slots.busy > self._runner.stuck:
                    self._settled.clear()
                    await self._settled.wait()
        for running in self._runner.running.values():
            if not running.ended:
                running.ended = True
                self._settle(running.delivery, running.outcome or running.stopped or _INTERRUPTED, running.context)
        try:
            async with asyncio.timeout(_TELL_S):
                await self._wait_settled()
        except TimeoutError:
            # its lease ends by itself, and a monitor finds them then
            self._log.warning("the store could not be told how jobs ended", unsettled=len(self._outbox))

    # --- one job ---------------------------------------------------------------------------------------------------

    def _run(self, delivery: Delivery) -> Awaitable[None] | None:
        """What is left to wait for, if anything."""
        if delivery.holder != self._membership.id:
            self._settled.set()
            return None  # fetched under a lease that has run out since
        if self._interrupted:
            self._give_back([delivery])
        elif self._cancels.early and (delivery.id, delivery.fence) in self._cancels.early:
            self._settle(delivery, CANCELLED, None)
        elif delivery.limits is not None and (missed := delivery.missed):
            self._settle(delivery, missed, None)
        else:
            return self._runner.run(delivery)
        return None

    def _settle(self, delivery: Delivery, outcome: Outcome, context: Context | None) -> None:
        if outcome is _LOST:
            self._settled.set()
        else:
            self._outbox.put(delivery, outcome, (context.children if context else None) or ())
        self._due.set()

    def _give_back(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            if delivery.holder == self._membership.id:
                self._outbox.give_back(delivery)
        self._due.set()

    # --- turns -----------------------------------------------------------------------------------------------------

    async def _turns(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            want = self._appetite.want if self._taking else 0
            if not self._outbox and not (self._look or (want and self._appetite.pays)):
                continue
            await self._turn(want)
            while self._has_nothing_to_do and await self._lie_in_wait():
                pass

    async def _turn(self, free: int) -> None:
        settlements = self._outbox.next_batch()
        want, types = self._wanted(free)
        self._in_turn, self._look = True, False
        try:
            answers, deliveries = await self._shard.turn(
                self._membership.id,
                settlements,
                sequence=self._sequence + 1,
                want=want,
                types=types,
                order=self._next_order(),
            )
        except LeaseLost:
            # what it settled in this trip was answered by the fences; all else it had belongs to others
            self._in_turn = False
            await self._start_again()
            return
        except StoreError as error:
            self._log.warning("the store did not take a turn", error=str(error), unsettled=len(settlements))
            self._outbox.put_back(settlements)
            self._in_turn = False
            await asyncio.sleep(_PAUSE_S)
            self._look_again()
            return
        self._take(deliveries, want)
        self._outbox.note(settlements, answers)
        if self._catch_up.due and not await self._catch_up.look(self._membership.id):
            self._look_again()
        if self._doubt:
            # the answer may have been that to the fetch in doubt, which knew nothing of what has changed since
            self._doubt = False
            self._look_again()
        if self._outbox:
            self._due.set()
        self._in_turn = False
        self._settled.set()
        self._client.observers.settled(settlements, answers)

    def _wanted(self, free: int) -> tuple[int, str]:
        """How many jobs to fetch, of which types."""
        if self._runner.threads_taken:
            # a sync job would only wait here: it stands aside for other workers and better times
            return min(free, BATCH) if self._async_types else 0, self._async_types
        return min(free, BATCH), self._types

    def _take(self, deliveries: list[Delivery], want: int) -> None:
        self._sequence += 1
        self._appetite.fetched(len(deliveries), want)
        if self._taking:
            self._slots.give(deliveries)
            self._appetite.watch()
            if self._appetite.pays and self._appetite.want:
                self._due.set()
        else:
            self._give_back(deliveries)  # they were on their way when it became quiet

    # --- waits for work ----------------------------------------------------------------------------------------------

    @property
    def _has_nothing_to_do(self) -> bool:
        return self._taking and self._slots.busy == 0 and not (self._outbox or self._due.is_set())

    async def _lie_in_wait(self) -> bool:
        """Fetches together with the next word that is heard: the job that the word is about comes with it, and not by
        a trip that begins then. False if that cannot be."""
        inbox = self._membership.inbox
        want, types = self._wanted(self._slots.free)
        if inbox is None or not want:
            return False
        self._lies_in_wait = True
        try:
            deliveries = await self._shard.fetch_behind(
                inbox,
                self._membership.id,
                sequence=self._sequence + 1,
                want=want,
                types=types,
                order=self._next_order(),
            )
        except LeaseLost:
            await self._start_again()
            return False
        except StoreUnavailable:
            self._doubt = True
            self._look_again()
            return False
        finally:
            self._lies_in_wait = False
        if deliveries is None:
            return False
        self._take(deliveries, want)
        return True

    async def _wait_settled(self) -> None:
        while self._outbox or self._in_turn or self._doubt:
            self._settled.clear()
            await self._settled.wait()

    # --- handlers that heed no stop ----------------------------------------------------------------------------------

    async def _tell_stuck(self, count: int) -> None:
        await self._membership.tell(stuck=count, leaving=self._leaving)

    def _too_many_stuck(self) -> None:
        if self._on_stuck is not None:
            self._leaving = True
            self._on_stuck()
        else:
            self._log.error("half of the slots or threads are lost to handlers that heed no stop; only a restart helps")

    # --- what it hears -----------------------------------------------------------------------------------------------

    def _hear(self, word: str | None) -> None:
        match (word or "").split():
            case ["cancel", job_id, fence]:
                self._cancels.cancel((job_id, int(fence)))
            case ["do", what]:
                self._catch_up.asked(what)
                self._look_again()
            case [word] if word == LOOK:
                self._catch_up.due = True
                self._look_again()
            case []:
                if self._slots.busy == 0 and not self._outbox:
                    self._on_idle()
                if not self._lies_in_wait:
                    self._look_again()
            case ["wake"] if self._lies_in_wait:
                pass  # it has fetched already
            case _:
                self._look_again()

    def _look_again(self) -> None:
        if self._lies_in_wait and self._membership.inbox is not None:
            # a turn with the same sequence finds out whether the fetch took effect before it was called off
            self._lies_in_wait = False
            self._doubt = True
            self._membership.inbox.interrupt()
        self._look = True
        self._due.set()

    async def _tell_types(self) -> None:
        types = self._catalog.types.values()
        await self._client.store.tell_types({job_type.name: told_facts(job_type) for job_type in types})

    async def _join(self) -> None:
        self._on_joined(await self._membership.join(self._look_again))

    async def _start_again(self) -> None:
        self._log.error("the lease has run out; starting again under a new id", member=self._membership.id)
        self._slots.take_back()  # others have these by now: none may begin in a slot that becomes free meanwhile
        for running in list(self._runner.running.values()):
            running.stop(_LOST, sync_too=True)
        self._outbox.clear()
        self._cancels.clear()
        self._sequence = 0
        try:
            await self._join()  # first: another shard, which is to know the types too, may be away
            await self._tell_types()  # where the lease was lost because all data were, they are too
        except StoreError as error:
            self._log.warning("cannot join, or tell what types there are", error=str(error))
            await asyncio.sleep(_PAUSE_S)
        self._look_again()
