"""Jobs that are taken in, and when that was: all that a producer does not know of the record that the store makes."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jobd.domain.delivery import Met, NewJob
from jobd.errors import StoreError
from jobd.store.codec import VERSION

if TYPE_CHECKING:
    from jobd.store.shard import Shard

_STAMP = struct.Struct(">Bd")  # what the store puts before a spec


async def enqueue_dated(shard: Shard, jobs: Sequence[NewJob]) -> list[tuple[bool | Met, float | None]]:
    """As `Shard.enqueue`; with each answer when the job of this id was taken in, in milliseconds since 1970, asked for
    in the same trip. None: that is not known, for it may be gone already."""
    made, dates = await asyncio.gather(shard.enqueue(jobs), _dates(shard, [job.id for job in jobs]))
    return list(zip(made, dates, strict=True))


async def _dates(shard: Shard, ids: Sequence[str]) -> list[float | None]:
    try:
        records = await shard.link.command("HMGET", shard.keys.fixed("jobs"), *ids)
    except StoreError:
        return [None] * len(ids)  # whether they were taken in is another question
    return [_STAMP.unpack_from(record)[1] if record else None for record in records]


def record_of(spec: bytes, created_ms: float) -> bytes:
    """The record that the store makes of a spec, as its producer packed it, when it takes the job in."""
    return _STAMP.pack(VERSION, created_ms) + spec
