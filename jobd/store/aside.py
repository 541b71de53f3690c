"""Jobs that stand aside in their queue: a worker came by that does not know their type."""

from __future__ import annotations

import re

from jobd.domain.state import State
from jobd.store.shard import Shard

_TYPE = re.compile(r"[:;]t=([^;]*)$")
_MOST_LANES, _MOST_JOBS = 200, 20


async def types_aside(shard: Shard, queue: str) -> set[str]:
    """The types whose jobs stand aside in a queue. Looks at the first 200 lanes, and at 20 jobs in each."""
    types = set()
    for lane in await shard.link.command("ZRANGE", shard.keys.lanes(queue), 0, _MOST_LANES - 1):
        name = lane.decode()
        if found := _TYPE.search(name):
            ids = await shard.link.command("LRANGE", shard.keys.lane(queue, name), 0, _MOST_JOBS - 1)
            jobs = await shard.get([job_id.decode() for job_id in ids])
            # ids may still stand where their jobs have left
            if any(job and job.status is State.WAITING and job.type == found[1] for job in jobs):
                types.add(found[1])
    return types
