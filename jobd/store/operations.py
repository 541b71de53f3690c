"""The records of operations, in the first shard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from jobd.domain.job import moment
from jobd.domain.operation import Operation, Stage, Verb
from jobd.store.link import pairs
from jobd.store.shard import Shard

KEPT = 100
"""operations that are remembered"""
_NOTHING_YET: Mapping[str, Any] = {"seen": 0, "done": 0, "skipped": 0, "failed": 0, "errors": (), "cursor": None}


class Operations:
    """Begins operations, and hands them to whoever works on them."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard

    async def begin(self, operation_id: str, about: Mapping[str, Any]) -> None:
        """Makes an operation known; again under the same id is as good. Raises StoreFull."""
        await self._shard._run("begin", operation_id, orjson.dumps(about), KEPT)

    async def take(
        self, owner: str, lease_ms: int, operation_id: str = ""
    ) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
        """An operation that nobody works on, now in the hands of `owner`: its id, what it is, how far it is. None if
        there is none."""
        reply = await self._shard._run("undertake", owner, lease_ms, operation_id)
        if not reply:
            return None
        progress = orjson.loads(reply[2]) if reply[2] else {**_NOTHING_YET, "errors": []}
        return reply[0].decode(), orjson.loads(reply[1]), progress

    async def advance(
        self, operation_id: str, owner: str, lease_ms: int, stage: Stage, progress: Mapping[str, Any]
    ) -> str:
        """Says how far it is. Returns its stage from now on, 'lost' if it is in other hands."""
        reply = await self._shard._run("advance", operation_id, owner, lease_ms, stage, orjson.dumps(progress))
        word: str = reply.decode()
        return word

    async def abort(self, operation_id: str) -> str:
        """Asks that it end. Returns its stage, '' if there is none."""
        reply = await self._shard._run("abort", operation_id)
        word: str = reply.decode()
        return word

    async def get(self, operation_id: str) -> Operation | None:
        """The operation of this id, None if there is none."""
        key = self._shard.keys.operation(operation_id)
        said = dict(pairs(await self._shard.link.command("HGETALL", key)))
        return _read(operation_id, said) if said else None

    async def list(self) -> list[Operation]:
        """The operations that are remembered, the newest first."""
        ids = await self._shard.link.command("ZRANGE", self._shard.keys.fixed("operations"), 0, -1)
        found = [await self.get(operation_id.decode()) for operation_id in reversed(ids)]
        return [operation for operation in found if operation is not None]


def _read(operation_id: str, said: Mapping[bytes, bytes]) -> Operation:
    about = orjson.loads(said[b"about"])
    progress = orjson.loads(said[b"progress"]) if b"progress" in said else _NOTHING_YET
    return Operation(
        id=operation_id,
        verb=Verb(about["verb"]),
        filter=about["filter"],
        arguments=about["arguments"],
        stage=Stage(said[b"state"].decode()),
        began_at=moment(float(said[b"began"])),
        ended_at=moment(float(said[b"ended"])) if b"ended" in said else None,
        seen=progress["seen"],
        done=progress["done"],
        skipped=progress["skipped"],
        failed=progress["failed"],
        errors=tuple(progress["errors"]),
    )
