"""A server, all roles as processes of their own, each on a line of its own, and producers."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from tests.acceptance.program import plain_environment
from tests.chaos.ground import GROUNDS
from tests.chaos.history import FOLDER
from tests.chaos.players import Player, ProducerPlayer, RolePlayer
from tests.chaos.proxy import Proxy
from tests.chaos.wishes import OPTIONS
from tests.servers.tcp_server import free_port

P = TypeVar("P", bound=Player)

ROOT = Path(__file__).parents[2]
PLUGIN = Path(__file__).parent / "plugin"
CONCURRENCY = 8
"""jobs at a time in one worker process"""


@dataclass(frozen=True)
class Setting:
    """How the stage is set."""

    folder: Path
    server_binary: Path
    seed: str
    lease_s: float = 4.0
    workers: int = 2
    rate: float = 60.0
    """jobs a second that producers ask for, together"""
    topology: str = "one"
    server_settings: tuple[str, ...] = ("appendonly yes", "appendfsync always")
    code: Path = ROOT
    """where jobd is taken from"""
    environment: dict[str, str] = field(default_factory=dict)


class Stage:
    """Use as an async context manager; at the end nothing of it is left."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.history = setting.folder / "history"
        self.history.mkdir(parents=True)
        self.ground = GROUNDS[setting.topology](setting.server_binary, *setting.server_settings)
        self.hit = asyncio.Lock()
        """held while something is done to the server"""
        self.players: dict[str, Player] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with self._stack:
            self._stack.enter_context(self.ground)
            names = ["monitor-1", "monitor-2", "scheduler-1", *(f"worker-{n + 1}" for n in range(self.setting.workers))]
            port = free_port()
            for name in names:
                words = ["--concurrency", str(CONCURRENCY)] if name.startswith("worker") else []
                await self._add_role(name, *words)
            await self._add_role("api-1", "--port", str(port))
            for role in self.of(RolePlayer):
                role.start()
            for role in self.of(RolePlayer):
                await asyncio.to_thread(role.program.wait_up)
            producers = ("producer-1", "client"), ("producer-2", "http")
            for name, door in producers:
                proxy = await self._proxy(self.ground.port if door == "client" else port)
                url = self._url(proxy) if door == "client" or proxy is None else f"http://127.0.0.1:{proxy.port}"
                arguments = [door, url, self.setting.seed]
                rate = self.setting.rate / len(producers)
                self._add(ProducerPlayer(name, proxy, arguments, rate, self._environment))
                self.players[name].start()
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def of(self, kind: type[P]) -> list[P]:
        """The players of a kind."""
        return [player for player in self.players.values() if isinstance(player, kind)]

    def names(self, roles: Iterable[str]) -> list[str]:
        """The players of these roles, by name; "server" is one, and "line" those that have one which may break."""
        wanted = set(roles)
        found = [
            player.name
            for player in self.players.values()
            if player.role in wanted or ("line" in wanted and player.proxy is not None)
        ]
        return [*found, "server"] if "server" in wanted else found

    async def _proxy(self, port: int | None) -> Proxy | None:
        return None if port is None else await self._stack.enter_async_context(Proxy(port))

    def _url(self, proxy: Proxy | None) -> str:
        return self.ground.url if proxy is None else f"redis://127.0.0.1:{proxy.port}/0"

    async def _add_role(self, name: str, *arguments: str) -> None:
        proxy = await self._proxy(self.ground.port)
        words = [*arguments, "--redis-url", self._url(proxy)]
        self._add(RolePlayer(name, proxy, self.setting.folder, words, self._environment))

    def _add(self, player: Player) -> None:
        self.players[player.name] = player
        self._stack.callback(player.kill_all)

    @property
    def _environment(self) -> dict[str, str]:
        return {
            **plain_environment(),
            "PYTHONPATH": os.pathsep.join(map(str, (self.setting.code, ROOT, PLUGIN))),
            "JOBD_LOG__FORMAT": "json",
            "JOBD_WORKER__LEASE": f"{self.setting.lease_s}s",
            "JOBD_RETENTION__COMPLETED": "10000000",  # what became of each is read in the end
            FOLDER: str(self.history),
            OPTIONS: json.dumps(dict(self.ground.options)),
            **self.setting.environment,
        }
