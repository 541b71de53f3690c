"""A worker whose every move a test makes itself, so that jobs can be seen in every state."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import orjson

from jobd.domain.delivery import Delivery
from jobd.domain.settle import CANCELLED, COMPLETED, FAILED, Verdict
from jobd.loop_thread import LoopThread
from jobd.store.facts import members
from jobd.store.shard import Settlement
from jobd.store.store import Store

LEASE_MS = 60_000


class HandWorker:
    """Takes jobs of any type from all queues. Use as a context manager."""

    def __init__(self, url: str, *, name: str = "worker-by-hand") -> None:
        self.name = name
        self._thread = LoopThread(name)
        self._store = Store.at(url)
        self._shard = self._store.shards[0]
        self._sequence = 0

    def __enter__(self) -> Self:
        async def join() -> None:
            await self._shard.join(self.name, lease_ms=LEASE_MS, lines=["*"], about=_about())

        self._thread.run(join)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._thread.close(self._store.close)

    def tell_types(self, types: Mapping[str, Mapping[str, Any]]) -> None:
        """Makes types known, as a worker does that has their plugins."""
        self._thread.run(self._store.tell_types, types)

    def describe(self, **facts: Any) -> bool:
        """Says this of itself too. False if the store does not know it any more."""
        return self._thread.run(self._shard.describe, self.name, _about(**facts))

    def take(self, *types: str) -> Delivery:
        """The next waiting job of these types, which is active from now on."""
        (delivery,) = self._thread.run(self._fetch, 1, types)
        return delivery

    def take_all(self, *types: str) -> list[Delivery]:
        """All jobs of these types that may be taken now."""
        return self._thread.run(self._fetch, 100, types)

    async def _fetch(self, want: int, types: Sequence[str]) -> list[Delivery]:
        self._sequence += 1
        _, batch = await self._shard.turn(
            self.name, [], sequence=self._sequence, want=want, types=f",{','.join(types)},"
        )
        return batch

    def complete(self, delivery: Delivery, result: object = None) -> None:
        """The job returns `result`."""
        self._settle(delivery, COMPLETED, orjson.dumps(result))

    def fail(self, delivery: Delivery, kind: str, message: str, traceback: str = "") -> None:
        """The job fails for good."""
        error = {"type": kind, "message": message, "traceback": traceback}
        self._settle(delivery, FAILED, facts={"worker": self.name, "outcome": "raised", "error": error})

    def give_in(self, delivery: Delivery, reason: str) -> None:
        """The job ends as cancelled."""
        self._settle(delivery, CANCELLED, facts={"worker": self.name, "outcome": "cancelled", "reason": reason})

    def progress(self, delivery: Delivery, **said: Any) -> None:
        """The job says how far it is."""
        self._thread.run(self._shard.say, delivery, "progress", members(said))

    def log(self, delivery: Delivery, level: str, text: str, **fields: Any) -> None:
        """The job logs a line."""
        self._thread.run(self._shard.say, delivery, "log", members({"level": level, "text": text, "fields": fields}))

    def later(self, delivery: Delivery, result: object) -> threading.Thread:
        """Completes the job from another thread, once somebody waits for its end."""
        thread = threading.Thread(target=lambda: self._complete_when_watched(delivery, result))
        thread.start()
        return thread

    def _complete_when_watched(self, delivery: Delivery, result: object) -> None:
        async def watched() -> None:
            while not await self._shard.link.command("HEXISTS", self._shard.keys.fixed("waiters"), delivery.id):
                pass

        self._thread.run(watched)
        self.complete(delivery, result)

    def _settle(
        self, delivery: Delivery, verdict: Verdict, result: bytes = b"", facts: Mapping[str, Any] | None = None
    ) -> None:
        item = Settlement(delivery.id, delivery.fence, verdict, result=result, facts=facts or {})
        assert self._thread.run(self._shard.settle, self.name, [item]) == [1]


def _about(**facts: Any) -> bytes:
    return orjson.dumps({"kind": "worker", "host": "here", "pid": 4711, "concurrency": 10, **facts})
