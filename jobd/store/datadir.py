"""The data directory: where one machine's jobd keeps what must outlast it, and who runs the server on it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from jobd.errors import EmbeddedServerError
from jobd.store.file_lock import FileLock

LONGEST_SOCKET: Final = 100
"""bytes in the path of a socket; the kernels allow 107 (Linux) and 103 (macOS)"""

_RECORD_SIZE: Final = 1024
"""bytes; the record is padded to them and written over the old one in one go, so nobody ever meets half of one"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who runs the server on a data directory, as the lock file tells it. Written by the owner at each start of it."""

    pid: int
    """the jobd that owns the server"""
    server_pid: int
    server: str
    """what it is: Valkey or Redis"""
    version: str
    """its version, such as 9.1.2; it stays in the file, because an older server must never meet newer data"""
    socket: str
    """where it listens: a bare name inside the data directory, else an absolute path"""


def running_url(data_dir: Path) -> str | None:
    """The URL of the server that runs on this data directory now; None if none does. For clients on the same machine.

    Raises EmbeddedServerError if the directory belongs to another user.
    """
    socket = DataDir(data_dir).running_socket()
    return None if socket is None else url_of(socket)


def url_of(socket: Path) -> str:
    """The URL under which clients find the server behind a socket."""
    return f"unix://{quote(str(socket))}"


class DataDir:
    """One data directory and its two locks, which the jobd that runs the server holds both.

    `owner_lock` is that jobd's alone: when nobody holds it, no jobd looks after the server.
    `server_lock` is shared with the server, which inherits it: it is free only when both are gone. Its file holds the
    record of who they are.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.owner_lock = FileLock(self.path / "owner.lock")
        self.server_lock = FileLock(self.path / "lock")
        self.log = self.path / "valkey.log"
        self.appended = self.path / "appendonlydir"

    def make(self) -> None:
        """Make the directory, for this user alone; one that exists is left as it is. Raises EmbeddedServerError."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise EmbeddedServerError(
                f"cannot make the data directory {self.path}: {error.strerror}; choose another with JOBD_DATA_DIR"
            ) from error

    def holder(self) -> Holder | None:
        """The last record, of a server that runs or of one that ran; None if there was none."""
        try:
            return Holder(**json.loads((self.path / "lock").read_bytes()))
        except (OSError, ValueError, TypeError):  # no file, no JSON, other fields: nobody that we know
            return None

    def record(self, holder: Holder) -> None:
        """Write down who runs the server now. Needs the server lock."""
        os.pwrite(self.server_lock.descriptor, json.dumps(asdict(holder)).ljust(_RECORD_SIZE).encode(), 0)

    def recorded_socket(self) -> Path | None:
        """Where the server of the last record listened, if that was a server of this directory: the record in a copy
        of a directory still speaks of the original's."""
        holder = self.holder()
        if holder is None:
            return None
        socket = self.path / holder.socket
        return socket if socket in (self.path / "valkey.sock", socket.parent / self._outside_name) else None

    def running_socket(self) -> Path | None:
        """Where the server of this directory listens; None if no jobd and no server holds it. Raises
        EmbeddedServerError if the directory belongs to another user."""
        try:
            descriptor = os.open(self.path / "lock", os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise EmbeddedServerError(f"cannot read {self.path / 'lock'}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return self.recorded_socket()
        finally:
            os.close(descriptor)
        return None

    def socket(self) -> Path:
        """Where a server of this directory listens: inside it, or in a private directory with a shorter path. The same
        for every jobd that comes to own it, so that clients need not look again. Raises EmbeddedServerError."""
        inside = self.path / "valkey.sock"
        if _fits(inside):
            return inside
        recorded = self.recorded_socket()
        if recorded is not None and _is_private(recorded.parent):
            return recorded
        outside = _runtime_folder() / self._outside_name
        if _fits(outside):
            return outside
        raise EmbeddedServerError(
            f"the paths {inside} and {outside} are both too long for a socket (over {LONGEST_SOCKET} bytes); "
            f"choose a shorter data directory with JOBD_DATA_DIR"
        )

    @property
    def _outside_name(self) -> str:
        return f"jobd-{hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]}.sock"


def _fits(socket: Path) -> bool:
    return len(os.fsencode(socket)) <= LONGEST_SOCKET


def _runtime_folder() -> Path:
    """The user's own directory for sockets: $XDG_RUNTIME_DIR, else one in the temporary directory."""
    session = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    if session.is_absolute() and _is_private(session):
        return session
    folder = Path(tempfile.gettempdir(), f"jobd-{os.geteuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not _is_private(folder):  # somebody else may have made it, to listen in
        raise EmbeddedServerError(
            f"{folder} is not a directory that this user alone can enter; remove it, set XDG_RUNTIME_DIR to one that "
            f"is, or choose a shorter data directory with JOBD_DATA_DIR"
        )
    return folder


def _is_private(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
