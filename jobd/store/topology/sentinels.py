"""The master that Sentinels watch, whichever server that is now."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from jobd.errors import StoreRefused
from jobd.store.topology.announcements import Announcements
from jobd.store.topology.sentinel import Sentinel, View
from jobd.store.topology.topology import Topology
from jobd.store_url import Address, StoreUrl


class Sentinels(Topology):
    """Asks all Sentinels at once, and believes the one that has seen the latest failover. Listens for the next one."""

    announcements: Announcements

    def __init__(self, url: StoreUrl) -> None:
        super().__init__(url)
        self._sentinels = [Sentinel(url, address) for address in url.addresses]
        self.announcements = Announcements(url.service, self._sentinels)

    async def owner(self, slot: int, *, doubted: Address | None = None) -> Address:
        """The master. A Sentinel that was cut off may still name an old one: so more than half of the answers are
        waited for, if there are as many, and the newest counts. Raises StoreRefused if they know no such service."""
        asked = [asyncio.create_task(sentinel.view()) for sentinel in self._sentinels]
        try:
            newest = await self._newest(asked)
        finally:
            for question in asked:
                question.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        self.announcements.note(newest)
        return newest.master

    async def _newest(self, asked: Sequence[asyncio.Task[View]]) -> View:
        answers: list[View] = []
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
            return max(answers, key=lambda view: (view.failovers, view.leaves))
        if unknown:
            raise StoreRefused(
                f"the Sentinels at {', '.join(map(str, self.url.addresses))} watch no service {self.url.service!r}; "
                "the URL names it behind the slash"
            )
        raise trouble
