"""The nursery: a process that has loaded the plugins and does nothing but fork, once for each attempt that is to run in
a process of its own. It is started when the first one asks."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from itertools import count
from typing import TYPE_CHECKING, Any

import orjson

from jobd.roles.worker.child_process import path_flags
from jobd.roles.worker.control import Control

if TYPE_CHECKING:
    from jobd.settings import Settings

ASK = struct.Struct(">cI")
"""to the nursery: what, and the number of the attempt"""
TOLD = struct.Struct(">Ii")
"""from it: the number of an attempt, and how its process ended, as `os.wait` says it; or NOT_STARTED minus an errno"""
START, KILL = b"s", b"k"
READY = 0
"""the number under which the nursery tells that it has loaded the plugins"""
NOT_STARTED = -1_000
LONGEST_LINE = 64 * 1_048_576
GONE = None
"""how a process ended of which nobody can tell, as the nursery itself has died"""
_ENVIRONMENT = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_*", "TZ", "TERM", "TMPDIR"),
    *("PYTHON*", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "COVERAGE_*"),
)
"""the variables that every process of a handler is given"""
_LAST_WORDS_S = 0.5
"""how long the line to a dead process is read on"""
_FULL_S = 0.02
"""between two looks whether the nursery has read what it was asked before"""


class Nursling:
    """The process of one attempt, as its worker sees it."""

    def __init__(self, number: int, control: Control, ended: asyncio.Future[int | None]) -> None:
        self.number = number
        self.control = control
        self.ended = ended
        """how it ended, once it has: an exit code, minus the number of a signal, NOT_STARTED minus an errno, or GONE"""
        self.was_alone = False
        """did no other live when the nursery died?"""


class Nursery:
    """Starts processes for attempts. For one life: `close` ends it and all of them."""

    def __init__(
        self,
        *,
        without: Iterable[str] = (),
        plugins: Mapping[str, Mapping[str, Any]] | None = None,
        log: Mapping[str, str] | None = None,
        environment: Iterable[str] = (),
    ) -> None:
        """`without` are plugins to leave out, `plugins` the settings of the others, `log` level and format, and
        `environment` names of variables that handlers are given beside the usual ones; `*` stands for any letters."""
        self._order = {"without": [*without], "plugins": plugins or {}, "log": log or {}}
        self._names = (*_ENVIRONMENT, *environment)
        self._nurslings: dict[int, Nursling] = {}
        self._numbers = count(1)
        self._opening: asyncio.Task[socket.socket] | None = None
        self._line: socket.socket | None = None
        self._loaded = asyncio.Event()
        """set when it has loaded the plugins, or has died"""
        self._listening: asyncio.Task[None] | None = None
        self._closed = False

    @classmethod
    def of(cls, settings: Settings) -> Nursery:
        """As the settings say."""
        return cls(
            without=settings.without,
            plugins=settings.plugins,
            log={"level": settings.log.level, "format": settings.log.format},
            environment=settings.worker.isolated_environment,
        )

    def __len__(self) -> int:
        return len(self._nurslings)

    @property
    def loaded(self) -> bool:
        """Does it live, with the plugins loaded?"""
        return self._line is not None and self._loaded.is_set()

    async def start(self) -> Nursling:
        """A new process, that waits for its order; the first one is there when the nursery has loaded the plugins.
        Raises OSError if that cannot be started, or dies over it."""
        line = self._line or await self._opened()
        await self._loaded.wait()
        if self._line is not line:
            raise OSError("the one that starts them has died")
        ours, theirs = socket.socketpair()
        try:
            number = next(self._numbers)
            await ask(line, START, number, [theirs.fileno()])
            control = await Control.over(ours, longest=LONGEST_LINE)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        nursling = Nursling(number, control, asyncio.get_running_loop().create_future())
        self._nurslings[number] = nursling
        if self._line is not line:
            self._bury(number, GONE)  # it has died in between
        return nursling

    async def end(self, nursling: Nursling) -> None:
        """Ends a process hard, with all that it has started, if it has not ended; returns when it is dead."""
        if not nursling.ended.done() and self._line is not None:
            with suppress(OSError):  # then the end of the line tells
                await ask(self._line, KILL, nursling.number)
        await asyncio.wait({nursling.ended})
        await nursling.control.close()

    async def close(self) -> None:
        """Ends all."""
        self._closed = True
        if self._opening is not None:
            await asyncio.wait({self._opening})
        if self._line is not None and self._listening is not None:
            self._line.shutdown(socket.SHUT_RDWR)
            await asyncio.wait({self._listening})

    # -----------------------------------------------------------------------------------------------------------------

    async def _opened(self) -> socket.socket:
        if self._opening is None:
            # one attempt for all who wait, none of whom may end it for the others
            self._opening = asyncio.create_task(self._open(), name="starts the nursery")
            self._opening.add_done_callback(self._has_opened)
        return await asyncio.shield(self._opening)

    def _has_opened(self, opening: asyncio.Task[socket.socket]) -> None:
        self._opening = None
        if not opening.cancelled():
            opening.exception()  # for asyncio, which wants it looked at; whoever waits is told

    async def _open(self) -> socket.socket:
        if self._closed:
            raise OSError("the worker stops")
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *path_flags(),
                "-m",
                "jobd.roles.worker.fork_server",
                str(theirs.fileno()),
                stdin=asyncio.subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env=self._environment(),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        if process.stdin is not None:  # for the type checker
            process.stdin.write(orjson.dumps(self._order))
            process.stdin.close()
        ours.setblocking(False)
        self._line = ours
        self._loaded.clear()
        self._listening = asyncio.create_task(self._listen(ours, process), name="the nursery")
        return ours

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if any(fnmatch(name, pattern) for pattern in self._names)
        }
        # a thread that allocates reserves much more than it uses, which would count against a limit of memory
        return {"MALLOC_ARENA_MAX": "1", **kept}

    async def _listen(self, line: socket.socket, process: asyncio.subprocess.Process) -> None:
        loop = asyncio.get_running_loop()
        heard = b""
        try:
            with suppress(OSError):
                while data := await loop.sock_recv(line, 4_096):
                    heard += data
                    while len(heard) >= TOLD.size:
                        number, status = TOLD.unpack_from(heard)
                        heard = heard[TOLD.size :]
                        if number == READY:
                            self._loaded.set()
                        self._bury(number, status)
        finally:
            self._line = self._listening = None
            self._loaded.set()
            line.close()
            for nursling in self._nurslings.values():
                nursling.was_alone = len(self._nurslings) == 1
            for number in list(self._nurslings):
                self._bury(number, GONE)
            await process.wait()

    def _bury(self, number: int, status: int | None) -> None:
        nursling = self._nurslings.pop(number, None)
        if nursling is not None:
            nursling.ended.set_result(status)
            # somebody whom it has left behind may hold the line open
            asyncio.get_running_loop().call_later(_LAST_WORDS_S, nursling.control.hang_up)


async def ask(line: socket.socket, what: bytes, number: int, files: Sequence[int] = ()) -> None:
    """Asks something of the nursery, as soon as there is room on the line: as long as it is busy it reads nothing, and
    no more than some 280 questions fit. Raises OSError if it has died."""
    while True:
        try:
            socket.send_fds(line, [ASK.pack(what, number)], files)
        except BlockingIOError:
            await asyncio.sleep(_FULL_S)
        else:
            return
