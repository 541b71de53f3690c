"""A Cluster of three masters, each with a replica."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from redis import Redis
from redis.crc import key_slot
from redis.exceptions import ResponseError

from tests.servers.tcp_server import TcpServer
from tests.servers.wait import wait

SLOTS = 16_384


class ClusterFleet:
    """All six. Use as a context manager."""

    def __init__(self, binary: Path, *settings: str) -> None:
        """`settings` are more lines of configuration for each."""
        self._stack = ExitStack()
        self._binary = binary
        self._settings = settings
        self.ids: dict[TcpServer, str] = {}

    def __enter__(self) -> Self:
        with self._stack:
            manners = ("cluster-enabled yes", "cluster-node-timeout 1000", "cluster-replica-validity-factor 0")
            self.nodes = [
                self._stack.enter_context(TcpServer(self._binary, *manners, *self._settings)) for _ in range(6)
            ]
            for number, node in enumerate(self.nodes):
                self.ids[node] = self.ask(node, "CLUSTER", "MYID").decode()
                self.ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            for number, node in enumerate(self.nodes[:3]):
                first, last = number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1
                self.ask(node, "CLUSTER", "ADDSLOTSRANGE", first, last)
            for node in self.nodes[1:]:
                self.ask(self.nodes[0], "CLUSTER", "MEET", "127.0.0.1", node.port)
            wait(lambda: all(self._knows_all(node) for node in self.nodes))
            for master, replica in zip(self.nodes[:3], self.nodes[3:], strict=True):
                self.ask(replica, "CLUSTER", "REPLICATE", self.ids[master])
            wait(self._whole)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        return f"redis+cluster://{self.nodes[0].place},{self.nodes[1].place},{self.nodes[2].place}"

    def client(self) -> Redis:
        """A connection to the node with the first shard, for looking at it from outside."""
        return self.owner(key_slot(b"{jobd:0}")).client()

    def empty(self) -> None:
        """Takes all data away."""
        for node in self.running:
            if self.ask(node, "ROLE")[0] == b"master":
                self.ask(node, "FLUSHALL")

    @property
    def running(self) -> list[TcpServer]:
        return [node for node in self.nodes if node.runs]

    def owner(self, slot: int) -> TcpServer:
        """The node that owns a slot, as most of those that run say."""
        named = [owner for node in self.running if (owner := self._named_by(node, slot)) is not None]
        return max(named, key=named.count)

    def replica_of(self, master: TcpServer) -> TcpServer:
        """Its replica, once it has all that the master has."""
        found: list[TcpServer] = []

        def connected() -> bool:
            for node in self.running:
                role = self.ask(node, "ROLE")
                if role[0] == b"slave" and role[2] == master.port and role[3] == b"connected":
                    found.append(node)
            return bool(found)

        wait(connected)
        return found[0]

    def others(self, *known: TcpServer) -> list[TcpServer]:
        """The masters that are not among these."""
        return [node for node in self.running if node not in known and self.ask(node, "ROLE")[0] == b"master"]

    def wait_owner(self, slot: int, former: TcpServer) -> TcpServer:
        """Waits until all that run say that another node than `former` owns a slot; that node."""

        def moved() -> bool:
            owners = {self._named_by(node, slot) for node in self.running if node is not former}
            return len(owners) == 1 and former not in owners and None not in owners

        wait(moved)
        return self.owner(slot)

    def mend(self) -> None:
        """All run, and each master has its replica."""
        for node in self.nodes:
            if not node.runs:
                node.start()
        wait(self._whole)

    # --- a slot moves ------------------------------------------------------------------------------------------------

    def begin_move(self, slot: int, source: TcpServer, target: TcpServer) -> None:
        """From now on new keys of the slot belong to the target, those that are there to the source."""
        self.ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.ids[source])
        self.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.ids[target])

    def move_keys(self, slot: int, source: TcpServer, target: TcpServer, most: int = 1_000_000) -> int:
        """Moves up to so many keys. Returns how many."""
        keys = self.ask(source, "CLUSTER", "GETKEYSINSLOT", slot, most)
        for key in keys:
            wait(partial(self._takes, source, target, key))
        return len(keys)

    def _takes(self, source: TcpServer, target: TcpServer, key: bytes) -> bool:
        """False if the target has lost sight of the others for a moment, as on a busy machine, and takes no key."""
        try:
            self.ask(source, "MIGRATE", "127.0.0.1", target.port, key, 0, 5_000)
        except ResponseError as error:
            if "CLUSTERDOWN" in str(error):
                return False
            raise
        return True

    def end_move(self, slot: int, source: TcpServer, target: TcpServer) -> None:
        """The slot belongs to the target, and all know it."""
        for node in (target, source, *self.others(target, source)):
            self.ask(node, "CLUSTER", "SETSLOT", slot, "NODE", self.ids[target])
        self.wait_owner(slot, source)

    # -----------------------------------------------------------------------------------------------------------------

    def ask(self, node: TcpServer, *words: Any) -> Any:
        """The answer of one node."""
        with node.client() as client:
            return client.execute_command(*words)

    def _named_by(self, node: TcpServer, slot: int) -> TcpServer | None:
        for first, last, master, *_ in self.ask(node, "CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == master[1])
        return None

    def info(self, node: TcpServer) -> dict[str, str]:
        """What a node says of the cluster."""
        with node.client() as client:
            facts: Any = client.execute_command("CLUSTER INFO")
        return dict(facts)

    def _knows_all(self, node: TcpServer) -> bool:
        facts = self.info(node)
        return facts["cluster_state"] == "ok" and facts["cluster_known_nodes"] == "6"

    def _whole(self) -> bool:
        if not all(self._knows_all(node) for node in self.nodes):
            return False
        roles = [self.ask(node, "ROLE") for node in self.nodes]
        masters = [role for role in roles if role[0] == b"master"]
        return len(masters) == 3 and all(len(role[2]) == 1 for role in masters)
