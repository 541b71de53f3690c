"""Where the store is, as the options of a command say, and the way to ask it something."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from jobd.client import Client
    from jobd.settings import Settings

T = TypeVar("T")

_PATIENCE_S = 3.0
"""how long a server may take to answer its first question"""
_INSIST_S = 0.1


@dataclass(frozen=True, slots=True)
class Place:
    """The options --redis-url, --data-dir and --config."""

    redis_url: str | None
    data_dir: Path | None
    config: Path | None

    def settings(self, flags: Mapping[str, Any] | None = None) -> Settings:
        """The settings, over which these options and `flags` win. Raises SettingsError."""
        from jobd.settings import load_settings

        own = {"redis_url": self.redis_url, "data_dir": self.data_dir}
        return load_settings(
            {**{name: value for name, value in own.items() if value is not None}, **(flags or {})}, config=self.config
        )

    def ask(self, question: Callable[[Client], Awaitable[T]]) -> T:
        """The answer to `question`, which is given a client. Raises what that raises, SettingsError, StoreError, and
        Abort on Ctrl-C."""
        import asyncio

        from jobd.client import Client

        settings = self.settings()

        async def ask() -> T:
            async with Client(settings=settings) as client:
                await client.store.check(patience_s=_PATIENCE_S)
                return await question(client)

        async def conversation() -> T:
            loop = asyncio.get_running_loop()
            asking = loop.create_task(ask())

            def interrupt() -> None:
                # asyncio's own way with Ctrl-C cancels once, and libraries may lose that
                if not asking.done():
                    asking.cancel()
                    loop.call_later(_INSIST_S, interrupt)

            loop.add_signal_handler(signal.SIGINT, interrupt)
            try:
                return await asking
            except asyncio.CancelledError:
                raise click.Abort from None

        return asyncio.run(conversation())
