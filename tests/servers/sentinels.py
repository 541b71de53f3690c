"""A primary, a replica, and three Sentinels that watch them."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from redis.exceptions import ResponseError

from tests.real_server import RealServer
from tests.servers.tcp_server import TcpServer, free_port
from tests.servers.wait import wait

SERVICE = "jobs"


class Sentinel(RealServer):
    """One Sentinel. It keeps what it knows in its configuration, which it writes itself."""

    def __init__(self, binary: Path, *settings: str) -> None:
        super().__init__(binary)
        self.port = free_port()
        self._file = Path(self._folder.name, "sentinel.conf")
        self._file.write_text(
            "\n".join(
                [
                    f"port {self.port}",
                    "bind 127.0.0.1",
                    f"unixsocket {self.socket}",
                    f"dir {self._folder.name}",
                    *settings,
                    "",
                ]
            )
        )

    def start(self, *more: str, until: bytes = b"Sentinel ID is") -> None:
        super().start(*more, until=until)

    def _command(self) -> list[str]:
        return [os.fspath(self._binary), str(self._file), "--sentinel"]


class SentinelFleet:
    """All of them. Use as a context manager."""

    def __init__(self, binary: Path, *settings: str, down_after_ms: int = 700) -> None:
        """`settings` are more lines of configuration for the two servers. A master that is silent for so long is given
        up."""
        self._stack = ExitStack()
        self._binary = binary
        self._settings = settings
        self._down_after_ms = down_after_ms

    def __enter__(self) -> Self:
        with self._stack:
            start = self._stack.enter_context
            first = start(TcpServer(self._binary, *self._settings))
            second = start(TcpServer(self._binary, *self._settings, f"replicaof 127.0.0.1 {first.port}"))
            self.servers = (first, second)
            watch = (
                f"sentinel monitor {SERVICE} 127.0.0.1 {first.port} 2",
                f"sentinel down-after-milliseconds {SERVICE} {self._down_after_ms}",
                f"sentinel failover-timeout {SERVICE} 4000",
            )
            self.sentinels = [start(Sentinel(self._binary, *watch)) for _ in range(3)]
            wait(self._whole)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        places = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{places}/{SERVICE}/0"

    @property
    def master(self) -> TcpServer:
        """The server that most Sentinels take for the master."""
        named = [self._named(sentinel) for sentinel in self.sentinels]
        return next(server for server in self.servers if server.port == max(named, key=named.count))

    @property
    def replica(self) -> TcpServer:
        master = self.master
        return next(server for server in self.servers if server is not master)

    def wait_failover(self, former: TcpServer) -> None:
        """Returns when all Sentinels name another master than `former`, and that one is."""
        wait(lambda: all(self._named(sentinel) != former.port for sentinel in self.sentinels))
        wait(lambda: _role(self.master) == "master")

    def wait_replica(self, former: TcpServer) -> None:
        """Returns when a server that was the master knows that it is so no more."""
        wait(lambda: _role(former) == "slave")

    def ask_for_failover(self) -> None:
        """Has the first Sentinel begin to make the replica the master. Raises ResponseError if it does not."""
        with self.sentinels[0].client() as sentinel:
            sentinel.execute_command("SENTINEL", "FAILOVER", SERVICE)

    @property
    def listeners(self) -> int:
        """How many hear all that the first Sentinel says of changes of the master."""
        with self.sentinels[0].client() as sentinel:
            return sum(client["sub"] == "3" for client in sentinel.client_list())

    def fail_over(self) -> None:
        """Has the Sentinels make the replica the master, as for maintenance; returns when all of them name it."""
        former = self.master

        def asked() -> bool:
            # the one that is asked gives up what does not get on, as with a replica that was cut off a moment ago
            if self._named(self.sentinels[0]) != former.port:
                return True
            with suppress(ResponseError):  # it is at it already, or cannot yet
                self.ask_for_failover()
            return False

        wait(asked)
        self.wait_failover(former)

    def mend(self) -> None:
        """All run, are in agreement, and the replica has all that the master has."""
        master = self.master
        for server in self.servers:
            if not server.runs:
                server.start(f"replicaof 127.0.0.1 {master.port}")
        wait(self._whole)

    def _whole(self) -> bool:
        with self.master.client() as client:
            state: Any = client.info("replication")
        if state["role"] != "master" or state["connected_slaves"] != 1 or state["slave0"]["state"] != "online":
            return False
        for sentinel in self.sentinels:
            with sentinel.client() as client:
                facts = _pairs(client.execute_command("SENTINEL", "MASTER", SERVICE))
                replicas = client.execute_command("SENTINEL", "REPLICAS", SERVICE)
            if (facts["flags"], facts["num-other-sentinels"], int(facts["port"])) != ("master", "2", self.master.port):
                return False
            flags = [_pairs(replica)["flags"] for replica in replicas if int(_pairs(replica)["port"]) in self._ports]
            if flags != ["slave"]:
                return False
        return True

    @property
    def _ports(self) -> list[int]:
        return [server.port for server in self.servers]

    def _named(self, sentinel: Sentinel) -> int:
        with sentinel.client() as client:
            answer: Any = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return int(answer[1])


def _role(server: TcpServer) -> str:
    with server.client() as client:
        role: Any = client.execute_command("ROLE")
    return str(role[0].decode())


def _pairs(reply: Any) -> dict[str, str]:
    pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
    return {key.decode(): value.decode() for key, value in pairs}
