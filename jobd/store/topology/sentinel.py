"""One Sentinel, and what it says when it is asked."""

from __future__ import annotations

from dataclasses import dataclass

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError

from jobd.store.topology.node import Node
from jobd.store_url import Address, StoreUrl

_CHOSEN = (b"send_slaveof_noone", b"wait_promotion")
"""what the Sentinel that leads a failover is at, while another one is chosen and not the master yet"""


@dataclass(frozen=True)
class View:
    """What a Sentinel sees."""

    failovers: int
    """the number of them that it has seen, in any case so many that who has seen a later one names more"""
    master: Address
    """after the last of them"""
    leaves: bool = False
    """is another one chosen that is to take over any moment?"""


class Sentinel:
    """Watches a service."""

    def __init__(self, url: StoreUrl, address: Address) -> None:
        self.address = address
        self._service = url.service
        self._node = Node(url, address, is_sentinel=True)

    def connection(self) -> AbstractConnection:
        """A connection that is not open yet and belongs to the caller alone."""
        return self._node.connection()

    async def view(self) -> View:
        """What it sees now. Raises RedisError or OSError when it does not say within a second, or watches no such
        service."""
        facts, place = await self._node.answers(
            ("SENTINEL", "MASTER", self._service), ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)
        )
        if not place:
            raise RedisConnectionError(f"{self._service} has no master at the moment")
        words = facts if isinstance(facts, dict) else dict(zip(facts[::2], facts[1::2], strict=True))
        return View(
            int(words[b"config-epoch"]),
            Address(place[0].decode(), int(place[1])),
            words.get(b"failover-state") in _CHOSEN,
        )
