"""The master that Sentinels watch, whichever server that is now."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from jobd.errors import StoreRefused
from jobd.store.topology.announcements import Announcements
from jobd.store.topology.node import Node
from jobd.store.topology.topology import Topology
from jobd.store_url import Address, StoreUrl


class Sentinels(Topology):
    """Asks all Sentinels at once, and believes the one that has seen the latest failover. Listens for the next one."""

    def __init__(self, url: StoreUrl) -> None:
        super().__init__(url)
        nodes = [self._sentinel(address) for address in url.addresses]
        self.announcements = Announcements(url.service, nodes)

    def _sentinel(self, address: Address) -> Node:
        return Node(self.url, address, is_sentinel=True)

    async def owner(self, slot: int, *, doubted: Address | None = None) -> Address:
        """The master. A Sentinel that was cut off may still name an old one: so more than half of the answers are
        waited for, if there are as many, and the newest counts. Raises StoreRefused if they know no such service."""
        asked = [asyncio.create_task(self._ask(address)) for address in self.url.addresses]
        try:
            return await self._newest(asked)
        finally:
            for question in asked:
                question.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def _newest(self, asked: Sequence[asyncio.Task[tuple[int, Address]]]) -> Address:
        answers: list[tuple[int, Address]] = []
        unknown = 0
        trouble: Exception = RedisConnectionError("no Sentinel answered")
        for answer in asyncio.as_completed(asked):
            try:
                answers.append(await answer)
            except ResponseError as error:
                unknown += "No such master" in str(error)
                trouble = error
            except Exception as error:  # noqa: BLE001  whatever kept one from answering, there are others
                trouble = error
            if len(answers) > len(asked) // 2:
                break
        if answers:
            return max(answers, key=lambda answer: answer[0])[1]
        if unknown:
            raise StoreRefused(
                f"the Sentinels at {', '.join(map(str, self.url.addresses))} watch no service {self.url.service!r}; "
                "the URL names it behind the slash"
            )
        raise trouble

    async def _ask(self, address: Address) -> tuple[int, Address]:
        """The number of failovers that one Sentinel has seen, and the master after the last of them."""
        service = self.url.service
        facts, place = await self._sentinel(address).answers(
            ("SENTINEL", "MASTER", service), ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)
        )
        if not place:
            raise RedisConnectionError(f"{service} has no master at the moment")
        words = facts if isinstance(facts, dict) else dict(zip(facts[::2], facts[1::2], strict=True))
        return int(words[b"config-epoch"]), Address(place[0].decode(), int(place[1]))
