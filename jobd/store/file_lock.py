"""An exclusive lock on a file: the kernel gives it to one holder and takes it back when that one dies, in any way."""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from pathlib import Path

from jobd.errors import EmbeddedServerError


class FileLock:
    """`flock` on one file, which is made if missing and never removed: two files of one name would be two locks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Do we hold the lock?"""
        return self._descriptor is not None

    @property
    def descriptor(self) -> int:
        """The open file that carries the lock. A process that inherits it holds the lock together with us."""
        if self._descriptor is None:
            raise RuntimeError(f"{self._path} is not locked by this process")
        return self._descriptor

    def try_acquire(self) -> bool:
        """Take the lock if it is free: do we hold it now? Raises EmbeddedServerError if the file cannot be locked."""
        if self._descriptor is not None:
            return True
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError as error:
            os.close(descriptor)
            raise self._unusable(error) from error
        self._descriptor = descriptor
        return True

    async def acquire(self) -> None:
        """Wait for the lock, however long that takes and without polling. Can be cancelled at any moment.

        Raises EmbeddedServerError if the file cannot be locked.
        """
        if self._descriptor is not None:
            return
        turn = _Turn(self._open())
        turn.start()
        try:
            await turn.came
        except OSError as error:
            turn.give_up()
            raise self._unusable(error) from error
        except BaseException:
            turn.give_up()
            raise
        self._descriptor = turn.descriptor

    def release(self) -> None:
        """Let go of the lock; harmless when it is not held. A process that inherited the descriptor still holds it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> EmbeddedServerError:
        return EmbeddedServerError(
            f"cannot lock {self._path}: {error.strerror}. The data directory must be a local directory that this "
            f"user may write to; choose another with JOBD_DATA_DIR, or name a Redis with JOBD_REDIS_URL"
        )


class _Turn(threading.Thread):
    """One wait for a lock. A thread blocked in flock cannot be interrupted, so it is a daemon that never holds up the
    exit, and a lock that comes after we gave up is given back at once."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(name="jobd-lock", daemon=True)
        self.descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self.came: asyncio.Future[None] = self._loop.create_future()
        self._guard = threading.Lock()
        self._blocked = True
        self._given_up = False

    def run(self) -> None:
        fault: OSError | None = None
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        except OSError as error:
            fault = error
        with self._guard:
            self._blocked = False
            if self._given_up:
                os.close(self.descriptor)
            else:
                self._loop.call_soon_threadsafe(self._tell, fault)

    def give_up(self) -> None:
        with self._guard:
            self._given_up = True
            if not self._blocked:
                os.close(self.descriptor)

    def _tell(self, fault: OSError | None) -> None:
        if self.came.done():
            return
        if fault is None:
            self.came.set_result(None)
        else:
            self.came.set_exception(fault)
