"""Who takes waiting jobs: tells why nobody would take one, so that nobody waits in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from jobd import clock
from jobd.domain.names import same_name
from jobd.domain.state import State
from jobd.store.aside import types_aside

if TYPE_CHECKING:
    from jobd.domain.queue import Queue
    from jobd.store.member import Member
    from jobd.store.store import Store

_FRESH_S = 2.0
"""how long what is known of the workers is good enough for a hint"""


class Takers:
    """The workers that live, as hints need to know them: asked for at most every 2 seconds."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._workers: list[Member] | None = None
        self._asked_at = 0.0
        self._hints: dict[tuple[str, str], str | None] = {}
        """what was found out for jobs of a queue and a type since then"""

    async def hint(self, queue: str, type_name: str) -> str | None:
        """Why nobody takes jobs of this type that wait in this queue; None if somebody will."""
        await self._look()
        key = queue, type_name
        if key not in self._hints:
            serving = self._serving(queue)
            self._hints[key] = _no_worker(queue, serving) or _no_plugin({type_name} - _known(serving, [type_name]))
        return self._hints[key]

    async def queue_hints(self, queues: Iterable[Queue]) -> dict[str, str]:
        """For those of the queues in which jobs wait that nobody takes: why, by the name of the queue."""
        waiting = [queue.name for queue in queues if queue[State.WAITING]]
        hints = await asyncio.gather(*map(self._of_queue, waiting))
        return {name: hint for name, hint in zip(waiting, hints, strict=True) if hint}

    async def _of_queue(self, name: str) -> str | None:
        await self._look()
        serving = self._serving(name)
        if hint := _no_worker(name, serving):
            return hint
        aside = [await types_aside(shard, name) for shard in self._store.shards]
        types = {job_type for found in aside for job_type in found}
        return _no_plugin(types - _known(serving, types))

    async def _look(self) -> None:
        now = clock.monotonic()
        if self._workers is None or now - self._asked_at > _FRESH_S:
            self._asked_at = now
            members = await self._store.members()
            self._workers = [member for member in members if member.alive and member.kind == "worker"]
            self._hints = {}

    def _serving(self, queue: str) -> list[Member] | None:
        """The workers that serve a queue; None if no worker lives at all."""
        if not self._workers:
            return None
        return [worker for worker in self._workers if "*" in worker.lines or queue in worker.lines]


def _known(workers: Collection[Member] | None, types: Collection[str]) -> set[str]:
    """Those of the types that one of the workers knows. One that does not say what it knows may know all."""
    told = [worker.about.get("types") for worker in workers or ()]
    names = {same_name(name) for known in told for name in known or ()}
    return {name for name in types if None in told or same_name(name) in names}


def _no_worker(queue: str, serving: list[Member] | None) -> str | None:
    if serving is None:
        return "no worker runs; start `jobd run`"
    if not serving:
        return f"no worker that runs serves the queue {queue}; start one that does: jobd run --role worker"
    return None


def _no_plugin(types: set[str]) -> str | None:
    if not types:
        return None
    named = ", ".join(sorted(types))
    return (
        f"no worker that runs knows the type{'s' * (len(types) > 1)} {named}; install the plugin where workers run, "
        "and start them again"
    )
