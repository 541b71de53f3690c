"""What scripts leave for a process, and the read that waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from jobd.errors import StoreUnavailable
from jobd.store.inbox import LISTEN_S, LOOK
from tests.simulation.weather import Wire

_PAUSE_S = 0.2


class SimInbox:
    """Listens as jobd.store.inbox does: a read that ends by a word, by time, or with its line."""

    def __init__(self, words: list[str], wire: Wire) -> None:
        self.words = words
        self._wire = wire
        self._something = asyncio.Event()
        self._begun = asyncio.Event()
        self._reading = False
        self._behind: tuple[Callable[[], Any], asyncio.Future[Any]] | None = None

    def leave(self, word: str) -> None:
        """A script leaves a word."""
        self.words.append(word)
        self._something.set()

    async def hear(self) -> str | None:
        """The next word, None after a while, LOOK when the line broke."""
        self._reading = True
        self._begun.set()
        try:
            if not self.words:
                self._something.clear()
                try:
                    async with asyncio.timeout(LISTEN_S):
                        await self._something.wait()
                except TimeoutError:
                    pass
            if self._reading and not self._wire.is_cut and not self._wire.weather.loses_request():
                word = self.words.pop(0) if self.words else None
                self._run_behind()
                await self._wire.weather.travel()
                return word
        finally:
            self._reading = False
            self._begun.clear()
            self._call_off()
        await asyncio.sleep(_PAUSE_S)
        return LOOK

    async def ask_behind(self, act: Callable[[], Any]) -> Any:
        """The answer of what the store does as soon as the read has ended; None if there is no read."""
        if not self._reading:
            await self._begun.wait()
        if not self._reading:
            return None
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._behind = (act, future)
        answer = await future
        await self._wire.weather.travel()
        if self._wire.is_cut or self._wire.weather.loses_reply():
            raise StoreUnavailable("the connection ended")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _run_behind(self) -> None:
        if self._behind is None:
            return
        (act, future), self._behind = self._behind, None
        try:
            answer = act()
        except Exception as refused:  # noqa: BLE001  an answer like others
            answer = refused
        if not future.done():
            future.set_result(answer)

    def _call_off(self) -> None:
        if self._behind is not None:
            (_, future), self._behind = self._behind, None
            if not future.done():
                future.set_exception(StoreUnavailable("the connection ended"))

    def interrupt(self) -> None:
        """Ends the read; what stands behind it is not done."""
        if self._reading:
            self._reading = False
            self._call_off()
            self._something.set()
        else:
            self._begun.set()
            self._begun.clear()

    async def close(self) -> None:
        """No more reads."""
        self.interrupt()
