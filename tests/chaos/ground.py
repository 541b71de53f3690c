"""What the store stands on, and what can be done to it: one server, a master with replica and Sentinels, a Cluster."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from jobd.store.keys import Keys
from tests.servers.cluster import ClusterFleet
from tests.servers.sentinels import SentinelFleet
from tests.servers.tcp_server import TcpServer
from tests.servers.wait import wait

_PREFIX = "jobd"
_GIVEN_UP_MS = 2_000
"""after which silence of a master; the machine is busy in a storm"""


class Ground(ABC):
    """Use as a context manager."""

    options: Mapping[str, str] = {}
    """what producers say of each job, so that no accepted one is lost"""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    @abstractmethod
    def __enter__(self) -> Self: ...

    @property
    @abstractmethod
    def url(self) -> str:
        """For clients that no fault is to hit."""

    @property
    def port(self) -> int | None:
        """Where a proxy may stand before it; None if clients are told other addresses."""
        return None

    @abstractmethod
    def server(self) -> TcpServer:
        """That with jobd's keys, now."""

    @abstractmethod
    def mend(self, former: TcpServer) -> None:
        """Blocks until all is well, after a server was hit."""


class Replicated(Ground):
    """One where a replica takes over: what it had not been told is forgotten then."""

    options: Mapping[str, str] = {"durability": "replica"}

    @abstractmethod
    def fail_over(self) -> None:
        """Blocks until the replica has taken over, as for maintenance."""


class OneServer(Ground):
    """A server that starts again when it is killed, with what it has kept."""

    def __init__(self, binary: Path, *settings: str) -> None:
        super().__init__()
        self._server = TcpServer(binary, *settings)

    def __enter__(self) -> Self:
        self._stack.enter_context(self._server)
        return self

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def port(self) -> int:
        return self._server.port

    def server(self) -> TcpServer:
        return self._server

    def mend(self, former: TcpServer) -> None:
        if not former.answers():
            former.stop()
            former.start()


class Sentinels(Replicated):
    """A master, its replica, and three Sentinels that watch them."""

    def __init__(self, binary: Path, *settings: str) -> None:
        super().__init__()
        self._fleet = SentinelFleet(binary, *settings, down_after_ms=_GIVEN_UP_MS)

    def __enter__(self) -> Self:
        self._stack.enter_context(self._fleet)
        return self

    @property
    def url(self) -> str:
        return self._fleet.url

    def server(self) -> TcpServer:
        return self._fleet.master

    def mend(self, former: TcpServer) -> None:
        if not former.answers():
            former.stop()
            self._fleet.wait_failover(former)
        self._fleet.mend()

    def fail_over(self) -> None:
        self._fleet.fail_over()
        self._fleet.mend()


class Cluster(Replicated):
    """Three masters, each with a replica."""

    def __init__(self, binary: Path, *settings: str) -> None:
        super().__init__()
        self._fleet = ClusterFleet(binary, *settings, f"cluster-node-timeout {_GIVEN_UP_MS}")

    def __enter__(self) -> Self:
        self._stack.enter_context(self._fleet)
        self._slot = int(self._fleet.ask(self._fleet.nodes[0], "CLUSTER", "KEYSLOT", Keys(_PREFIX, 0).base))
        return self

    @property
    def url(self) -> str:
        return self._fleet.url

    def server(self) -> TcpServer:
        return self._fleet.owner(self._slot)

    def mend(self, former: TcpServer) -> None:
        if not former.answers():
            former.stop()
            self._fleet.wait_owner(self._slot, former)
        self._fleet.mend()

    def fail_over(self) -> None:
        former = self.server()
        self._fleet.ask(self._fleet.replica_of(former), "CLUSTER", "FAILOVER")
        self._fleet.wait_owner(self._slot, former)
        self._fleet.mend()

    def move(self) -> None:
        """Moves the slot with jobd's keys to another master; blocks until it is there."""
        source = self.server()
        target = self._fleet.others(source)[0]
        self._fleet.begin_move(self._slot, source, target)
        while self._fleet.move_keys(self._slot, source, target, 5):
            pass
        self._fleet.end_move(self._slot, source, target)
        wait(lambda: self.server() is target)


GROUNDS: Mapping[str, type[OneServer | Sentinels | Cluster]] = {
    "one": OneServer,
    "sentinel": Sentinels,
    "cluster": Cluster,
}
