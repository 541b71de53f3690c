"""The one place where all is put together: settings → store → client → roles."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jobd import clock, log
from jobd.actors.actor import Actor
from jobd.actors.os_signals import OsSignals
from jobd.actors.supervisor import Supervisor
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.reach import retention_of
from jobd.roles.checked_store import CheckedStore
from jobd.roles.declared_limits import DeclaredLimits
from jobd.roles.embedded import Embedded
from jobd.roles.leases import Leases
from jobd.roles.membership import Membership
from jobd.roles.more_shards import MoreShards
from jobd.roles.operator import Operator
from jobd.roles.pruner import Pruner
from jobd.roles.reaper import Reaper
from jobd.roles.scheduler import Scheduler
from jobd.roles.verdicts import Verdicts
from jobd.settings import Settings
from jobd.store.embedded import EmbeddedServer
from jobd.store.lease_keeper import LeaseKeeper
from jobd.store.shard import Shard
from jobd.store.store import Store
from jobd.workforce import Workforce

if TYPE_CHECKING:
    from jobd.http.server import HttpServer

_TICK_S = 1.0


class House:
    """What the roles of one process share, and how they are made."""

    def __init__(self, settings: Settings, roles: Sequence[str], catalog: Catalog, supervisor: Supervisor) -> None:
        self.settings = settings
        self.roles = roles
        self.catalog = catalog
        self.embedded: EmbeddedServer | None = None
        self.client: Client | None = None
        self.api: HttpServer | None = None
        self.store: CheckedStore | None = None
        self._supervisor = supervisor
        self._workforce = Workforce(settings, catalog, supervisor, alone=list(roles) == ["worker"])
        self._last_tick = clock.monotonic()
        self._ticking: asyncio.Task[None] | None = None

    def actors(self) -> Iterator[Actor]:
        """The actors in the order of their start, each made when those before it are ready. They stop in reverse: the
        API, which is of use as long as there is a store, outlives those that run jobs."""
        settings = self.settings
        yield self._signals()
        if "worker" in self.roles:
            yield from self._workforce.signals()
        url = settings.redis_url
        if url is None:
            self.embedded = self._embedded()
            yield Embedded(self.embedded)
            url = self.embedded.url
        store = Store.at(url, prefix=settings.prefix, retention=retention_of(settings), shards=settings.shards)
        self._ticking = asyncio.create_task(self._tick(), name="loop ticks")
        client = self.client = Client(store=store, catalog=self.catalog, settings=settings)
        loop = asyncio.get_running_loop()

        def suspects_wait(number: int) -> None:
            loop.call_soon_threadsafe(self._workforce.suspects_wait, number)

        limits = DeclaredLimits(store, settings.rules, settings.spread_queues)
        said = (url, settings.prefix, settings.shards, settings.worker.lease)
        keeper = LeaseKeeper(*said, on_suspects=suspects_wait, on_forgotten=limits.declare_again)
        yield Leases(keeper)
        self.store = CheckedStore(store)
        yield self.store
        yield limits
        if "api" in self.roles:
            yield self._api(client)
        if "monitor" in self.roles:
            yield Pruner(store, report=report)
            yield Operator(client, report=report)
        yield from self._in_shards(url, client, keeper)

    async def close(self) -> None:
        """Closes what no actor owns."""
        self._workforce.close()
        if self._ticking is not None:
            self._ticking.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticking
        if self.client is not None:
            await self.client.close()

    def _in_shards(self, url: str, client: Client, keeper: LeaseKeeper) -> Iterator[Actor]:
        """Those that a process has of each role for each shard, in the order of the roles."""
        store = client.store
        verdicts = Verdicts(self.catalog, client.levels)

        def standing(shard: Shard, kind: str, *lines: str, about: dict[str, Any] | None = None) -> Membership:
            return Membership(
                store,
                shard.number,
                kind=kind,
                lines=lines,
                lease_ms=self.settings.worker.lease,
                keeper=keeper,
                lives=self._loop_runs,
                about=about,
            )

        def monitor(shard: Shard) -> Iterator[Actor]:
            membership = standing(shard, "monitor", "@monitor")
            yield Reaper(membership, verdicts, report=report, on_settled=client.observers.settled)

        def worker(shard: Shard) -> Iterator[Actor]:
            return self._workforce.of_shard(shard, url, client, keeper, standing)

        def scheduler(shard: Shard) -> Iterator[Actor]:
            yield Scheduler(standing(shard, "scheduler", "@scheduler"), report=report)

        makers = {"monitor": monitor, "worker": worker, "scheduler": scheduler}
        chosen = [make for role, make in makers.items() if role in self.roles]
        shards = store.shards
        for make in chosen:
            for shard in shards:
                yield from make(shard)
        if chosen:
            yield MoreShards(store, lambda shard: [actor for make in chosen for actor in make(shard)], len(shards))

    def _signals(self) -> Actor:
        speaker = log.get("jobd")

        def stop() -> None:
            grace_s = self.settings.worker.grace / 1_000
            speaker.info("stopping; running jobs get time to end, a second signal hurries", grace_s=grace_s)
            self._supervisor.request_stop()

        def hurry() -> None:
            speaker.info("hurrying; running jobs are given back, a third signal waits for nothing")
            self._supervisor.hurry()

        return OsSignals(stop, hurry, self._supervisor.abandon)

    def _embedded(self) -> EmbeddedServer:
        speaker = log.get("embedded server")
        chosen = self.settings.embedded
        return EmbeddedServer(
            self.settings.data_dir,
            appendfsync=chosen.fsync,
            maxmemory=chosen.max_memory or None,
            binary=chosen.server_bin,
            on_event=lambda name, facts: speaker.info(name, **facts),
        )

    def _api(self, client: Client) -> Actor:
        # here and not above, so that a worker on its own does not load the HTTP server
        from jobd.http.server import HttpServer
        from jobd.roles.api import Api

        self.api = HttpServer(client, self.settings)
        return Api(self.api)

    def _loop_runs(self) -> bool:
        return clock.monotonic() - self._last_tick < self.settings.worker.max_loop_block / 1_000

    async def _tick(self) -> None:
        while True:
            self._last_tick = clock.monotonic()
            await asyncio.sleep(_TICK_S)


def report(name: str, error: BaseException) -> None:
    """Says in the log what broke in an actor that goes on."""
    log.get("jobd").error("failure", actor=name, error=repr(error))
