"""What a handler in a process of its own is given: a context that speaks through its worker. The process itself knows
no store, and no secret of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NoReturn, cast

from jobd.catalog import Catalog
from jobd.context import Context
from jobd.domain.duration import Duration, milliseconds
from jobd.domain.job import Job
from jobd.domain.jobtype import JobType
from jobd.domain.options import read_options
from jobd.domain.payload import encode_json
from jobd.errors import ClientClosed
from jobd.handle import JobHandle
from jobd.roles.worker.attempt_words import bytes_of, text_of
from jobd.store.codec import unpack_job
from jobd.store.reports import progress_words

if TYPE_CHECKING:
    from jobd.client import Client
    from jobd.domain.delivery import Delivery
    from jobd.services import Services
    from jobd.store.shard import Shard

Ask = Callable[..., Awaitable[Any]]
"""asks the worker: what, and with which values; raises what it raised"""


class PipedContext(Context):
    """The same names as those of any context."""

    __slots__ = ("_ask", "_catalog")

    def __init__(
        self, delivery: Delivery, ask: Ask, catalog: Catalog, services: Services, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(delivery, cast("Shard", _Pen(ask)), cast("Client", _NoClient()), services, loop)
        self._ask = ask
        self._catalog = catalog

    async def read(self) -> Job:
        """See Context.read."""
        spec, run, result, progress = map(bytes_of, await self._ask("read"))
        return unpack_job(self.delivery.id, spec, run, result, progress)

    async def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """See Context.progress."""
        progress_words(done, total, message)  # what is wrong is said here
        await self._ask("progress", done, total, message)

    async def heartbeat(self) -> None:
        """See Context.heartbeat."""
        await self._ask("heartbeat")

    async def extend(self, more: Duration) -> None:
        """See Context.extend."""
        await self._ask("extend", milliseconds(more, name="extend", least=1) / 1_000)

    async def enqueue(
        self, job_type: JobType[Any, Any] | str, payload: object = None, *, id: str | None = None, **options: Any
    ) -> JobHandle[Any]:
        """See Context.enqueue."""
        known = job_type if isinstance(job_type, JobType) else self._catalog.find(job_type)
        name = known.name if known is not None else str(job_type)
        raw = known.encode(payload) if known is not None else encode_json({} if payload is None else payload, name)
        said = read_options(options).to_record()
        job_id, type_name, queue = await self._ask("enqueue", name, text_of(raw), id, said)
        return JobHandle(self.client, job_id, type_name, queue, job_type=known, pending=True)


class _Pen:
    """What log lines are written with, in the place of a shard."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def say(self, delivery: Delivery, what: str, words: bytes) -> bool:
        await self._ask(what, text_of(words))
        return True


class _NoClient:
    def __getattr__(self, name: str) -> NoReturn:
        raise ClientClosed(
            "a handler in a process of its own is not let into the store of jobd: use ctx.enqueue, ctx.read and the "
            "like, or make a jobd.Client with a URL"
        )
