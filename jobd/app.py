"""The one place where all is put together: settings → store → catalog → roles → supervisor."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import anyio

from jobd import clock, log
from jobd.actors.actor import Actor
from jobd.actors.errands import Errands
from jobd.actors.os_signals import OsSignals
from jobd.actors.supervisor import Supervisor
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.control.workers import QUIET, STOP
from jobd.errors import JobdError, SettingsError, StoreError
from jobd.garbage import look_less
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
from jobd.roles.worker.crew import Crew
from jobd.roles.worker.engine import Engine
from jobd.roles.worker.nursery import Nursery
from jobd.services import fill_settings
from jobd.settings import Settings
from jobd.store.embedded import EmbeddedServer
from jobd.store.lease_keeper import LeaseKeeper
from jobd.store.shard import Shard
from jobd.store.store import Store
from jobd.welcome import welcome

if TYPE_CHECKING:
    from jobd.http.server import HttpServer

ROLES = ("api", "scheduler", "worker", "monitor")
"""as people name them; `House.actors` has the order of their start"""
_TICK_S = 1.0
_STEP_LIMIT_S = 20.0
"""for a step of the way down that should take no time; more than the embedded server's own limit"""
_LAST_WAIT_S = 1.0
NOT_RELIEVED = "with processes = 0 nobody could put another process in place of this one; start it again"


def run(settings: Settings, roles: Sequence[str] = ()) -> int:
    """Runs `roles` (none named: all) until a signal asks to stop. Returns the exit code: 0 after a clean stop, 1
    after a fault of ours. Raises JobdError if it cannot start or go on. Ends the process hard when a part of it does
    not end in time."""
    unknown = set(roles) - set(ROLES)
    if unknown:
        raise SettingsError(f"role {min(unknown)!r}: there are {', '.join(sorted(ROLES))}")
    log.configure(settings.log.level, settings.log.format)
    chosen = [role for role in ROLES if role in roles or not roles]
    options = {"use_uvloop": sys.platform != "win32"}
    code = anyio.run(_main, settings, chosen, backend="asyncio", backend_options=options)
    if any(not thread.daemon and thread is not threading.main_thread() for thread in threading.enumerate()):
        _leave_hard(code)
    return code


def _leave_hard(code: int) -> NoReturn:
    """Ends the process without waiting for what does not end, as a normal exit would."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


async def _main(settings: Settings, roles: Sequence[str]) -> int:
    """The exit code."""
    speaker = log.get("jobd")
    # a plugin that cannot be used is said before anything is started
    catalog = Catalog.of_installed(without=settings.without)
    if "worker" in roles:
        fill_settings(catalog, settings.plugins)
    if "api" in roles:
        check_door(settings)
    supervisor = Supervisor(report=supervisor_report, last_wait=_STEP_LIMIT_S)
    house = House(settings, roles, catalog)
    code, failure = 0, None
    try:
        await supervisor.run(
            house.actors(supervisor), grace=settings.worker.grace / 1_000, on_ready=lambda: _ready(house)
        )
    except JobdError as error:
        failure = error
        code = 1
    except Exception as error:  # noqa: BLE001  the last resort: said with all that is known, and the exit code tells
        speaker.error("jobd ends", exc_info=error)
        code = 1
    finally:
        await house.close()
    stubborn = supervisor.shutdown.stubborn if supervisor.shutdown else ()
    if stubborn:
        speaker.error("some parts did not end in time", parts=stubborn)
        code = 1
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        _, left = await asyncio.wait(left, timeout=_LAST_WAIT_S)
    if left:
        # handlers that swallow their cancellation: their jobs were given back
        speaker.warning("tasks that do not end are left behind", tasks=[task.get_name() for task in left])
    if stubborn or left:
        if failure is not None:
            speaker.error(str(failure))
        _leave_hard(code)
    if failure is not None:
        raise failure
    return code


def _ready(house: House) -> None:
    worker = house.settings.worker
    look_less(jobs=worker.concurrency if worker.processes == 0 else 0)
    welcome(house)


def check_door(settings: Settings) -> None:
    """Complains of a token that may be guessed. Raises SettingsError if the API may not be served at this address
    without one."""
    from jobd.http.auth import SHORTEST_TOKEN, Guard

    token = settings.http.token
    if Guard(settings.host, token.get_secret_value() if token is not None else None).is_guessable:
        log.get("api").warning(
            f"http.token is shorter than {SHORTEST_TOKEN} characters, and whoever reaches this address may find it by "
            "trying; set JOBD_TOKEN to what `openssl rand -hex 32` says",
            host=settings.host,
        )


async def _quieten(engine: Engine, membership: Membership) -> None:
    await engine.quiet()
    with suppress(StoreError):  # it is for people who look, and nobody waits for it
        await membership.tell(quiet=True)


class House:
    """What the roles of one process share, and how they are made."""

    def __init__(self, settings: Settings, roles: Sequence[str], catalog: Catalog) -> None:
        self.settings = settings
        self.roles = roles
        self.catalog = catalog
        self.embedded: EmbeddedServer | None = None
        self.client: Client | None = None
        self.api: HttpServer | None = None
        self.store: CheckedStore | None = None
        self._last_tick = clock.monotonic()
        self._ticking: asyncio.Task[None] | None = None
        self._asked_for = Errands()
        self._crews: dict[int, Crew] = {}
        self._engines: list[tuple[Engine, Membership]] = []

    def actors(self, supervisor: Supervisor) -> Iterator[Actor]:
        """The actors in the order of their start, each made when those before it are ready. They stop in reverse: the
        API, which is of use as long as there is a store, outlives those that run jobs."""
        settings = self.settings
        yield self._signals(supervisor)
        if "worker" in self.roles:
            yield from self._worker_signals()
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
            if number in self._crews:
                loop.call_soon_threadsafe(self._crews[number].suspects_wait)

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
            yield Pruner(store, report=supervisor_report)
            yield Operator(client, report=supervisor_report)
        yield from self._in_shards(url, client, keeper, supervisor)

    def _in_shards(self, url: str, client: Client, keeper: LeaseKeeper, supervisor: Supervisor) -> Iterator[Actor]:
        """Those that a process has of each role for each shard, in the order of the roles."""
        store, report = client.store, supervisor_report
        verdicts = Verdicts(self.catalog, client.levels)

        def monitor(shard: Shard) -> Iterator[Actor]:
            membership = self._membership(store, shard, "monitor", ["@monitor"], keeper)
            yield Reaper(membership, verdicts, report=report, on_settled=client.observers.settled)

        def worker(shard: Shard) -> Iterator[Actor]:
            return self._workers(url, shard, client, keeper, supervisor)

        def scheduler(shard: Shard) -> Iterator[Actor]:
            membership = self._membership(store, shard, "scheduler", ["@scheduler"], keeper)
            yield Scheduler(membership, report=report)

        makers = {"monitor": monitor, "worker": worker, "scheduler": scheduler}
        chosen = [make for role, make in makers.items() if role in self.roles]
        shards = store.shards
        for make in chosen:
            for shard in shards:
                yield from make(shard)
        if chosen:
            yield MoreShards(store, lambda shard: [actor for make in chosen for actor in make(shard)], len(shards))

    def _workers(
        self, url: str, shard: Shard, client: Client, keeper: LeaseKeeper, supervisor: Supervisor
    ) -> Iterator[Actor]:
        worker = self.settings.worker
        if worker.processes == 0:
            membership = self._membership(client.store, shard, "worker", worker.queue_names or ["*"], keeper)
            engine = self._engine(membership, client, supervisor)
            self._engines.append((engine, membership))
            yield engine
        crew = self._crews[shard.number] = self._crew(url, shard, keeper, supervisor)
        yield crew

    async def close(self) -> None:
        """Closes what no actor owns."""
        self._asked_for.cancel()
        if self._ticking is not None:
            self._ticking.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticking
        if self.client is not None:
            await self.client.close()

    def _signals(self, supervisor: Supervisor) -> Actor:
        speaker = log.get("jobd")

        def stop() -> None:
            grace_s = self.settings.worker.grace / 1_000
            speaker.info("stopping; running jobs get time to end, a second signal hurries", grace_s=grace_s)
            supervisor.request_stop()

        def hurry() -> None:
            speaker.info("hurrying; running jobs are given back, a third signal waits for nothing")
            supervisor.hurry()

        return OsSignals(stop, hurry, supervisor.abandon)

    def _worker_signals(self) -> Iterator[Actor]:
        """Signals for the workers alone; those that stop are for all of the program."""
        speaker = log.get("worker")
        tasks = self._asked_for

        def quiet() -> None:
            speaker.info("taking no more jobs; those that run go on")
            for crew in self._crews.values():
                crew.quiet_all()
            for engine in self._engines:
                tasks.start(_quieten(*engine))

        def restart() -> None:
            speaker.info("putting new worker processes in place of those that run, one after the other")
            for crew in self._crews.values():
                tasks.start(crew.restart())
            if self._engines:
                speaker.warning(NOT_RELIEVED)

        def status() -> None:
            for crew in self._crews.values():
                for facts in crew.status():
                    speaker.info("status", **facts)
            for engine, membership in self._engines:
                speaker.info("status", member=membership.id, pid=os.getpid(), ran=engine.ran, busy=engine.busy)

        yield OsSignals(quiet, signals=(signal.SIGUSR1,))
        yield OsSignals(restart, signals=(signal.SIGUSR2,))
        yield OsSignals(status, signals=(signal.SIGTTIN,))

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

    def _membership(
        self, store: Store, shard: Shard, kind: str, lines: Sequence[str], keeper: LeaseKeeper
    ) -> Membership:
        return Membership(
            store,
            shard.number,
            kind=kind,
            lines=lines,
            lease_ms=self.settings.worker.lease,
            keeper=keeper,
            lives=self._loop_runs,
            about=self._about() if kind == "worker" else {},
        )

    def _about(self, concurrency: int | None = None) -> dict[str, Any]:
        """What workers tell of themselves."""
        worker = self.settings.worker
        types = sorted(job_type.name for job_type in self.catalog.types.values())
        return {"concurrency": concurrency or worker.concurrency, "queues": worker.queue_names, "types": types}

    def _engine(self, membership: Membership, client: Client, supervisor: Supervisor) -> Engine:
        worker = self.settings.worker

        def asked(what: str) -> None:
            if what == QUIET:
                self._asked_for.start(_quieten(engine, membership))
            elif what == STOP:
                supervisor.request_stop()
            else:
                log.get("worker").warning(NOT_RELIEVED)

        engine = Engine(
            membership,
            client,
            self.catalog,
            self.settings.plugins,
            concurrency=worker.concurrency,
            threads=worker.threads,
            nursery=lambda: Nursery.of(self.settings),
            next_order=worker.order_of(clock.dice).next,
            on_asked=asked,
        )
        return engine

    def _crew(self, url: str, shard: Shard, keeper: LeaseKeeper, supervisor: Supervisor) -> Crew:
        worker = self.settings.worker
        size = (os.cpu_count() or 1) if worker.processes == "auto" else worker.processes
        # what belongs to the API's door is no business of a worker
        settings = self.settings.model_dump(mode="json", exclude={"http"}) | {"shards": shard.among}
        lines = worker.queue_names or ["*"]
        place = {"settings": settings, "url": url, "shard": shard.number}
        order = {**place, "kind": "worker", "lines": lines, "about": self._about()}
        solo = {**place, "kind": "solo", "lines": [f"!{line}" for line in lines], "about": self._about(1)}
        return Crew(
            size,
            order,
            solo,
            shard=shard,
            keeper=keeper,
            max_loop_block_s=worker.max_loop_block / 1_000,
            grace_s=worker.grace / 1_000,
            max_jobs=worker.max_jobs,
            max_memory=worker.max_memory,
            # a program that was there for nothing else has nothing left to do
            on_deserted=supervisor.request_stop if list(self.roles) == ["worker"] else lambda: None,
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


def supervisor_report(name: str, error: BaseException) -> None:
    """Says in the log what broke in an actor that goes on."""
    log.get("jobd").error("failure", actor=name, error=repr(error))
