"""Workers: who they are, and what people want of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobd.domain.job import moment
from jobd.domain.rendering import worker_to_json
from jobd.errors import WorkerNotFound

if TYPE_CHECKING:
    from jobd.store.member import Member
    from jobd.store.store import Store

QUIET, STOP, RESTART = "quiet", "stop", "restart"


class WorkerControl:
    """The part of a client that is about workers."""

    store: Store

    async def workers(self) -> list[Member]:
        """The worker processes that have joined and not left."""
        return [member for member in await self.store.members() if member.kind in ("worker", "solo")]

    async def worker(self, worker_id: str) -> Member:
        """The worker process of this id. Raises WorkerNotFound."""
        for member in await self.workers():
            if member.id == worker_id:
                return member
        raise WorkerNotFound(f"no worker {worker_id} runs; `jobd workers` lists those that do")

    async def quiet_worker(self, worker_id: str) -> None:
        """Asks a worker process to take no more jobs; those it has run on. Only a restart ends that. Raises
        WorkerNotFound."""
        await self.order_worker(worker_id, QUIET)

    async def stop_worker(self, worker_id: str) -> None:
        """Asks a worker process to end: its jobs get the grace of its settings, the rest is given back, and nobody
        takes its place. Raises WorkerNotFound."""
        await self.order_worker(worker_id, STOP)

    async def restart_worker(self, worker_id: str) -> None:
        """Asks that another process take the place of a worker process: when the new one takes jobs, the old one ends
        as by `stop_worker`. Raises WorkerNotFound."""
        await self.order_worker(worker_id, RESTART)

    async def order_worker(self, worker_id: str, what: str) -> None:
        """One of these three, by its name. Raises WorkerNotFound."""
        await self.store.learn()
        for shard in self.store.shards:
            if await shard.order(worker_id, what):
                return
        raise WorkerNotFound(f"no worker {worker_id} runs; `jobd workers` lists those that do")


def member_to_json(member: Member) -> dict[str, Any]:
    """A worker process, in the names of the API."""
    return worker_to_json(
        member.id,
        member.kind,
        member.lines,
        member.about,
        joined_at=moment(member.joined_at_ms),
        lease_until=moment(member.lease_until_ms),
        alive=member.alive,
        holds=member.holds,
    )
