"""Jobs of one unique key, in each way, and what tests ask about them."""

from __future__ import annotations

from typing import Any

from jobd.domain.delivery import NewJob
from jobd.store.shard import Shard
from tests.store.hands import Hands, new_job

SIMPLE = "key:s:wdba:0"
INSISTING = "key:s!:wdba:0"
THROTTLE = "key:s:wdbacfxg:5000"
DEBOUNCE = "key:r:wdb:0"
REPLACE = "key:r:wdba:0"
KEEP_LAST = "key:k:wdba:0"


def job(job_id: str, unique: str = SIMPLE, **more: Any) -> NewJob:
    return new_job(job_id, unique=unique, **more)


async def owner(shard: Shard, name: str = "key") -> str | None:
    key = await shard.unique_key(name)
    return key.owner if key else None


async def payload(hands: Hands, job_id: str) -> Any:
    return (await hands.job(job_id)).data
