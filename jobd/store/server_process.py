"""One run of the embedded server: a child process that dies with its parent, and its private socket."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import anyio

from jobd.clock import monotonic
from jobd.errors import EmbeddedServerError
from jobd.store.datadir import DataDir, Holder
from jobd.store.server_binary import ServerBinary
from jobd.store.server_log import ServerLog
from jobd.store.server_socket import probe

AppendFsync = Literal["always", "everysec", "no"]

SILENCE_S: Final = 30.0
"""seconds that a server may live without answering; one that still loads its data answers that it does"""

_ALLOCATOR: Final = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=2000"}
"""The C library keeps seven pieces of each size at hand, and a script frees and takes hundreds: with more at hand a job
costs the server a tenth less, and a fifth where a million wait. Servers with another allocator do not heed it. Large
pages (glibc.malloc.hugetlb=1) would make a job beside half a million cheaper by a third, but the kernel may hold up a
command for long while it makes room for one: the slowest beside 100 000 delayed jobs took 6 to 8 ms in place of 3."""
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None) if sys.platform == "linux" else None  # looked up before any fork


class DamagedData(EmbeddedServerError):
    """Raised when the server cannot read its data. Another start would not help; a person must look."""


class ServerProcess:
    """A server process, from its start to its end. Made by `spawn`."""

    def __init__(
        self, process: asyncio.subprocess.Process, binary: ServerBinary, data: DataDir, log: ServerLog
    ) -> None:
        self._process = process
        self._binary = binary
        self._data = data
        self._log = log

    @classmethod
    async def spawn(
        cls, binary: ServerBinary, data: DataDir, *, appendfsync: AppendFsync, maxmemory: int | None
    ) -> ServerProcess:
        """Start a server on a directory whose server lock we hold, share the lock with it, and record it. Returns
        before the server answers. On Linux it lives no longer than the calling thread.

        Raises EmbeddedServerError if it cannot be started.
        """
        log = ServerLog(data.log)
        try:
            with log.open() as words, tempfile.TemporaryFile() as orders:
                orders.write(_configuration(data.socket(), appendfsync, maxmemory).encode())
                orders.seek(0)
                process = await asyncio.create_subprocess_exec(
                    binary.path,
                    "-",
                    cwd=data.path,
                    env=server_environment(),
                    stdin=orders,
                    stdout=words,  # a file, not a pipe: a pipe that nobody reads stops the server
                    stderr=words,
                    pass_fds=[data.server_lock.descriptor],
                    preexec_fn=_child_manners(os.getpid()),
                )
        except OSError as error:
            raise EmbeddedServerError(f"cannot start {binary.path} on {data.path}: {error}") from error
        socket = data.socket()
        data.record(
            Holder(
                pid=os.getpid(),
                server_pid=process.pid,
                server=binary.product,
                version=binary.version_text,
                socket=socket.name if socket.parent == data.path else str(socket),
            )
        )
        return cls(process, binary, data, log)

    async def wait_answering(self) -> None:
        """Wait until the server has loaded its data and takes commands, however long the loading takes. Raises
        DamagedData or EmbeddedServerError if it ends before, or says nothing for `SILENCE_S` seconds."""
        socket = self._data.socket()
        heard = monotonic()
        while self._process.returncode is None:
            answer = await probe(socket)
            if answer == "ready":
                return
            if answer == "loading":
                heard = monotonic()
            elif monotonic() - heard > SILENCE_S:
                raise EmbeddedServerError(f"{self._binary.path} runs but does not answer; see {self._log.path}")
            await anyio.sleep(0.005)
        raise self._failed_start()

    async def wait_ended(self) -> str:
        """Wait until the process has ended, and say how: "was killed by SIGKILL"."""
        code = await self._process.wait()
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with code {code}: {self._log.last_words()}"

    async def stop(self, patience: float) -> None:
        """End the process: it may finish writing for `patience` seconds, then it is killed."""
        if self._process.returncode is None:
            self._process.terminate()
            with anyio.move_on_after(patience):
                await self._process.wait()
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    def _failed_start(self) -> EmbeddedServerError:
        name = self._log.damaged_file()
        last_words = self._log.last_words()
        if name is None:
            return EmbeddedServerError(
                f"{self._binary.path} does not start on {self._data.path}: {last_words} (code "
                f"{self._process.returncode}; the whole log is {self._log.path})"
            )
        folder = self._data.appended
        manifest = folder / "appendonly.aof.manifest"
        if name == manifest.name:
            cure = "It lists the files beside it: bring it back from a backup."
        else:
            check = f"{self._binary.product.lower()}-check-aof"
            fix = f"(exec -a {check} {shlex.quote(str(self._binary.path))} --fix {shlex.quote(str(manifest))})"
            cure = (
                f"Copy {folder} to a safe place, then cut off what cannot be read (what was written after it is lost), "
                f"in bash or zsh: {fix}"
            )
        return DamagedData(
            f"the data file {folder / name} is damaged. The server says: {last_words}\nNothing was changed. {cure}"
        )


def _configuration(socket: Path, appendfsync: AppendFsync, maxmemory: int | None) -> str:
    """What the server is told, in words that Redis 7.0 and Valkey 9 both know."""
    # every byte escaped, so that no path breaks out of the quotes
    quoted_socket = "".join(f"\\x{byte:02x}" for byte in os.fsencode(socket))
    lines = [
        "port 0",
        f'unixsocket "{quoted_socket}"',
        "unixsocketperm 700",
        "daemonize no",
        "dir .",
        'logfile ""',
        "appendonly yes",
        f"appendfsync {appendfsync}",
        "aof-use-rdb-preamble no",  # plain commands: any server can read them, older ones and Redis too
        "aof-load-truncated yes",
        'save ""',
        "maxmemory-policy noeviction",
        "enable-debug-command no",
    ]
    if maxmemory is not None:
        lines.append(f"maxmemory {maxmemory}")
    return "\n".join([*lines, ""])


def server_environment() -> dict[str, str]:
    """The environment of a server: that of this process, which may say otherwise, and how its memory is kept."""
    return {**_ALLOCATOR, **os.environ}


def _child_manners(parent: int) -> Callable[[], None]:
    """What the child does between fork and exec."""

    def settle() -> None:
        os.setpgid(0, 0)  # Ctrl-C in a terminal is for jobd, which stops its server last
        os.umask(0o077)
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:  # it died before the line above
                os._exit(1)

    return settle
