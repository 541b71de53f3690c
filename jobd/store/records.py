"""The records of jobs, read."""

from __future__ import annotations

from collections.abc import Sequence

from jobd.domain.job import Job
from jobd.errors import StoreRefused
from jobd.store.caller import Caller
from jobd.store.codec import unpack_job


class Records(Caller):
    """The part of a shard that reads jobs."""

    async def get(self, ids: Sequence[str]) -> list[Job | None]:
        """The jobs of these ids, each as it was at one moment; None for those that are not there. One that cannot be
        read hides no others: raises StoreRefused only if it was asked for alone."""
        found: list[Job | None] = []
        for job_id, record in zip(ids, await self.records(ids), strict=True):
            try:
                found.append(unpack_job(job_id, *record) if record else None)
            except StoreRefused:
                if len(ids) == 1:
                    raise
                found.append(None)
        return found

    async def records(self, ids: Sequence[str]) -> list[tuple[bytes, bytes, bytes, bytes] | None]:
        """The same, still packed: spec, run record, result and progress."""
        reply = await self._run("get", *ids)
        four = [tuple(reply[at : at + 4]) for at in range(0, len(reply), 4)]
        return [record if record[0] else None for record in four]
