"""Queues: what is in them, and the pauses of queues, groups and types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Unpack

from jobd.control.filters import JobFilter
from jobd.control.operations import OperationControl
from jobd.domain.duration import Duration, milliseconds
from jobd.domain.limits import Scope, gate_of
from jobd.domain.names import same_name
from jobd.domain.queue import Pause, Queue, pause_in, pause_of
from jobd.domain.state import State
from jobd.errors import OptionError, StateConflict

if TYPE_CHECKING:
    from jobd.store.shard import Shard

LONGEST_REASON = 1_000
_EMPTY: Mapping[State, int] = dict.fromkeys(State, 0)


class QueueControl(OperationControl):
    """The part of a client that is about queues."""

    async def queues(self) -> dict[str, Queue]:
        """All queues that ever had a job or are paused, by name: how many jobs they have in each state, and what is
        paused in them."""
        counts, pauses = await self.store.counts(), await self.pauses()
        known = {same_name(name) for name in counts}
        unused = {pause.queue: _EMPTY for pause in pauses if pause.queue is not None and pause.queue not in known}
        return {
            name: Queue(
                name=name,
                counts=states,
                paused=next(
                    (pause for pause in pauses if pause.queue == same_name(name) and pause.group is None), None
                ),
                paused_groups=tuple(
                    pause for pause in pauses if pause.queue == same_name(name) and pause.group is not None
                ),
            )
            for name, states in sorted({**unused, **counts}.items())
        }

    async def pauses(self) -> list[Pause]:
        """All that is paused: queues, groups, types."""
        found: dict[str, Pause] = {}
        await self.store.learn()
        for shard in self.store.shards:
            now_ms = (await shard.now_us()) / 1_000
            for gate, rule in (await shard.rules()).items():
                if pause := pause_in(gate, rule, now_ms):
                    found[gate] = pause
        return [pause for _, pause in sorted(found.items())]

    async def pause(
        self,
        queue: str | None = None,
        *,
        group: str | None = None,
        type: str | None = None,
        reason: str | None = None,
        by: str | None = None,
        until: datetime | Duration | None = None,
    ) -> Pause:
        """Pauses a queue, a `group` of it, or a `type` in all queues: none of its jobs is started any more, those that
        run go on, and more may be enqueued. It lasts until `resume`, or `until` a datetime with a time zone, or for so
        long ("2h"). Pausing what is paused changes reason, author and end. Raises OptionError."""
        gate, shards = await self._gate(queue, group, type)
        for name, text in (("reason", reason), ("by", by)):
            if text is not None and (not isinstance(text, str) or len(text) > LONGEST_REASON):
                raise OptionError(f"{name}: a text of up to {LONGEST_REASON:,} characters is allowed")
        for shard in shards:
            now_ms = (await shard.now_us()) // 1_000
            said = {"reason": reason, "by": by, "at_ms": now_ms, "until_ms": _until_ms(until, now_ms)}
            paused = {name: value for name, value in said.items() if value is not None}
            await shard.set_rule(gate, {"paused": paused})
        return pause_of(gate, paused)

    async def resume(self, queue: str | None = None, *, group: str | None = None, type: str | None = None) -> bool:
        """Ends the pause of a queue, a `group` of it, or a `type`. Was there one? Raises OptionError."""
        gate, shards = await self._gate(queue, group, type)
        was_paused = False
        for shard in shards:
            now_ms = (await shard.now_us()) / 1_000
            before = (await shard.rules()).get(gate, {})
            was_paused = was_paused or pause_in(gate, before, now_ms) is not None
            await shard.set_rule(gate, {"paused": None})
        return was_paused

    # --- what is in them ----------------------------------------------------------------------------------------

    async def drain(self, queue: str, *, delayed: bool = False) -> int:
        """Removes the jobs of a queue that wait, and those that are `delayed` if asked; never one that runs. Returns
        how many. If this process dies over it, a monitor goes on."""
        states = [State.WAITING, *([State.DELAYED] if delayed else [])]
        return await self._all("remove", queue=queue, status=states)

    async def clean(
        self,
        queue: str,
        *,
        status: str | Iterable[str] = "ended",
        older_than: Duration = 0,
        most: int | None = None,
    ) -> int:
        """Removes jobs of a queue that ended longer ago than `older_than`, up to `most`: all of them, or those that
        `status` names. Returns how many."""
        before = await self.long_ago(milliseconds(older_than, name="older_than"))
        return await self._all("remove", queue=queue, status=status, finished_before=before, most=most)

    async def retry_failed(self, queue: str) -> int:
        """Runs all failed jobs of a queue again. Returns how many."""
        return await self._all("retry", queue=queue)

    async def promote_delayed(self, queue: str) -> int:
        """Makes all delayed jobs of a queue wait now. Returns how many."""
        return await self._all("promote", queue=queue)

    async def obliterate(self, queue: str, *, force: bool = False) -> int:
        """Removes all jobs of a queue, ended ones too. Raises StateConflict if any run, unless asked to `force` it:
        then these are removed as well, and their workers told to stop them. Returns how many."""
        from jobd.store.queries import MOST_ON_PAGE, Filter, list_jobs

        active = (await self.store.counts()).get(queue, _EMPTY).get(State.ACTIVE, 0)
        if active and not force:
            raise StateConflict(f"queue {queue} has {active} active jobs; pause it and wait, or force it")
        states = frozenset(State) if force else frozenset(State) - {State.ACTIVE}
        removed, cursor = 0, None
        while True:
            page = await list_jobs(self.store, Filter(queue=queue, states=states), limit=MOST_ON_PAGE, cursor=cursor)
            for number, ids in page.by_shard.items():
                removed += (await self.store.shards[number].delete(ids, states)).count("gone")
            cursor = page.cursor
            if cursor is None:
                return removed

    async def _all(self, verb: str, *, most: int | None = None, **which: Unpack[JobFilter]) -> int:
        begun = await self.operate(verb, most=most, **which)
        return (await self.run_operation(begun.id)).done

    async def _gate(self, queue: str | None, group: str | None, type: str | None) -> tuple[str, Sequence[Shard]]:
        """The gate that is meant, and the shards where it stands."""
        if type is not None:
            if queue is not None or group is not None:
                raise OptionError("type: a type is paused in all queues; name the type alone, or the queue")
            await self.store.learn()
            return gate_of(Scope.TYPE, same_name(type)), self.store.shards
        if queue is None:
            raise OptionError("queue: name the queue, or a type")
        gate = gate_of(Scope.QUEUE, queue) if group is None else gate_of(Scope.GROUP, queue, group)
        return gate, await self.store.shards_with(queue)


def _until_ms(until: datetime | Duration | None, now_ms: int) -> int | None:
    if until is None:
        return None
    if isinstance(until, datetime):
        if until.tzinfo is None:
            raise OptionError(f"until: {until.isoformat()} has no time zone; add one, such as datetime.now(UTC)")
        end_ms = round(until.timestamp() * 1_000)
    else:
        end_ms = now_ms + milliseconds(until, name="until", least=1)
    if end_ms <= now_ms:
        raise OptionError("until: this is over already")
    return end_ms
