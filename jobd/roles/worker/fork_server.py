"""The program of the nursery: loads the plugins, then forks a process for each attempt it is asked for, tells how each
ended, and kills those it is told to. It runs no handler, has no thread and no event loop, so that what it forks has
nothing half-way. Started as `python -m jobd.roles.worker.fork_server FD`, with its order on standard input."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import orjson

from jobd import log
from jobd.catalog import Catalog
from jobd.errors import JobdError
from jobd.roles.worker.isolated_attempt import run_attempt
from jobd.roles.worker.nursery import ASK, KILL, NOT_STARTED, READY, TOLD

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_EAGER_VICTIM = b"1000"


class ForkServer:
    """Serves one worker, over a line."""

    def __init__(self, line: socket.socket, attempt: Callable[[socket.socket], None]) -> None:
        """`attempt` is what a new process does, with its end of a line of its own."""
        self._line = line
        self._attempt = attempt
        self._pids: dict[int, int] = {}
        """of living processes, by the numbers of their attempts"""
        self._death_heard, self._death = os.pipe()
        os.set_blocking(self._death_heard, False)
        os.set_blocking(self._death, False)
        signal.set_wakeup_fd(self._death, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        """Until the worker is dead, or has closed its end; then nobody that was forked here lives on."""
        self._tell(READY, 0)
        with selectors.PollSelector() as selector:
            selector.register(self._line, selectors.EVENT_READ)
            selector.register(self._death_heard, selectors.EVENT_READ)
            try:
                while self._hear(selector):
                    self._bury()
            finally:
                for pid in self._pids.values():
                    _kill(pid)

    def _hear(self, selector: selectors.BaseSelector) -> bool:
        for key, _ in selector.select():
            if key.fileobj is self._line:
                try:
                    asked, files, _, _ = socket.recv_fds(self._line, ASK.size, 1)
                except OSError:
                    return False
                if len(asked) < ASK.size:
                    return False
                what, number = ASK.unpack(asked)
                if what == KILL:
                    if (pid := self._pids.get(number)) is not None:
                        _kill(pid)
                elif files:
                    self._fork(number, socket.socket(fileno=files[0]))
                else:  # this process has no room for one more line, and the system has closed it
                    self._tell(number, NOT_STARTED - errno.EMFILE)
            else:
                with suppress(BlockingIOError):
                    os.read(self._death_heard, 4_096)
        return True

    def _fork(self, number: int, line: socket.socket) -> None:
        with line:
            parent = os.getpid()
            try:
                pid = os.fork()
            except OSError as error:
                self._tell(number, NOT_STARTED - (error.errno or 0))
                return
            if pid == 0:
                self._begin(parent, line)
            self._pids[number] = pid

    def _begin(self, parent: int, line: socket.socket) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            self._line.close()
            os.close(self._death_heard)
            os.close(self._death)
            os.setsid()
            _bind_to(parent)
            self._attempt(line)
            code = 0
        except BaseException as error:  # noqa: BLE001  the process ends here, whatever it was, and says so
            log.get("handler").error("the process of an attempt ends", error=repr(error))
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _bury(self) -> None:
        for number, pid in list(self._pids.items()):
            dead, status = os.waitpid(pid, os.WNOHANG)
            if dead:
                del self._pids[number]
                _kill_group(pid)  # what it has started goes with it
                self._tell(number, os.waitstatus_to_exitcode(status))

    def _tell(self, number: int, status: int) -> None:
        with suppress(OSError):  # its end is seen where it listens
            self._line.send(TOLD.pack(number, status))


def _bind_to(parent: int) -> None:
    """Ends this process with its parent; it gets no more rights than that has, and goes first when memory is short."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_bytes(_EAGER_VICTIM)
    if os.getppid() != parent:
        os._exit(1)  # it has died in between


def _kill(pid: int) -> None:
    """A process that was not buried yet, with all that it has started."""
    _kill_group(pid)
    os.kill(pid, signal.SIGKILL)  # it may just have begun, and lead no group yet


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # on a Mac a group of nobody but dead ones
        os.killpg(leader, signal.SIGKILL)


def main(arguments: list[str]) -> None:
    """All that it does."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # they are the worker's business
    order: Mapping[str, Any] = orjson.loads(sys.stdin.buffer.read())
    own = int(arguments[0])
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # what handlers find as their standard input
    # whatever else was inherited is no business of theirs
    os.closerange(3, own)
    os.closerange(own + 1, os.sysconf("SC_OPEN_MAX"))
    log.configure(order["log"].get("level", "info"), order["log"].get("format", "auto"))
    catalog = Catalog.of_installed(without=order["without"])
    if names := [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]:
        log.get("worker").warning(
            "a plugin starts threads when it is imported; in processes of single handlers they are missing",
            threads=", ".join(names),
        )
    for job_type in catalog.types.values():
        with suppress(JobdError):  # said where it is called
            job_type.shape  # noqa: B018  made once, and not in each process anew
    gc.collect()
    gc.freeze()  # what is shared is not written to, and stays shared
    ForkServer(socket.socket(fileno=own), lambda line: run_attempt(line, catalog, order["plugins"])).serve()


def run(arguments: list[str]) -> NoReturn:
    """Ends the process hard: threads that a plugin has started may not keep it."""
    code = 1
    try:
        main(arguments)
        code = 0
    except BaseException as error:  # noqa: BLE001  whatever it was, the process ends here and says so
        log.get("worker").error("the process that starts those of handlers ends", error=repr(error))
    finally:
        with suppress(Exception):  # nobody may hear it any more
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    run(sys.argv[1:])
