"""Makes faults happen, and writes down what was done to whom."""

from __future__ import annotations

import asyncio
import resource
import signal
import time
from collections.abc import Sequence
from contextlib import suppress

from tests.chaos.ground import Cluster, Replicated
from tests.chaos.history import Scribe
from tests.chaos.nemesis import ELECTION, Blow
from tests.chaos.players import Player, RolePlayer, send
from tests.chaos.stage import Stage
from tests.servers.tcp_server import TcpServer

MOST_SKEW_S = 7_200.0
_LOOK_S = 0.5
_UNNOTICED_S = 2.0
"""before its replica is seen in its place, a master may have been given up for so long"""


class Blows:
    """Strikes as a schedule says."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._scribe = Scribe(stage.history / "nemesis")
        self.skipped: list[Blow] = []
        """whose target was just under another one"""

    async def run(self, schedule: Sequence[Blow]) -> None:
        """All of them, at their times; returns when the last is over and all is well again."""
        start = time.monotonic()
        watch = asyncio.create_task(self._watch_elections())
        async with asyncio.TaskGroup() as blows:
            for blow in schedule:
                await asyncio.sleep(start + blow.at_s - time.monotonic())
                blows.create_task(self._strike(blow))
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch

    async def _watch_elections(self) -> None:
        """Notes when a replica takes over though nobody has hit its master."""
        ground, hit = self._stage.ground, self._stage.hit
        if not isinstance(ground, Replicated):
            return
        master = await asyncio.to_thread(ground.server)
        while True:
            looked_at = time.monotonic()
            await asyncio.sleep(_LOOK_S)
            was_hit = hit.locked()
            async with hit:
                former, master = master, await asyncio.to_thread(ground.server)
                if master is not former and not was_hit:
                    await asyncio.to_thread(ground.mend, former)
                    self._note(ELECTION, "server", ["*"], looked_at - _UNNOTICED_S)

    async def _strike(self, blow: Blow) -> None:
        at_server = blow.target not in self._stage.players
        hit = self._stage.hit if at_server else self._stage.players[blow.target].hit
        if hit.locked():
            self.skipped.append(blow)
            return
        async with hit:
            began = time.monotonic()
            if at_server:
                await self._hit_server(blow)
            else:
                await self._hit_player(blow, self._stage.players[blow.target])
            touched = [] if blow.kind.name == "flush-scripts" else ["*" if at_server else blow.target]
            self._note(blow.kind.name, blow.target, touched, began)

    def _note(self, name: str, target: str, touched: Sequence[str], began: float) -> None:
        self._scribe.write("fault", name=name, target=target, touched=touched, began=began)

    async def _hit_player(self, blow: Blow, player: Player) -> None:
        match blow.kind.name:
            case "kill-child":
                assert isinstance(player, RolePlayer)
                send(player.children(), signal.SIGKILL)
            case "kill-supervisor":
                assert isinstance(player, RolePlayer)
                player.program.kill()
                await self._up_again(blow, player)
            case "kill-tree" | "kill-role":
                player.kill_all()
                await self._up_again(blow, player)
            case "skew":
                assert isinstance(player, RolePlayer)
                player.skew((2 * blow.dice - 1) * MOST_SKEW_S)
                await self._up_again(blow, player)
            case "stop-child":
                assert isinstance(player, RolePlayer)
                await _stop(player.children(), blow.lasts_s)
            case "stop-supervisor":
                await _stop([player.pid], blow.lasts_s)
            case "stop-tree" | "stop-role":
                await _stop(player.tree(), blow.lasts_s)
            case name:
                await self._hit_line(name, blow, player)

    async def _up_again(self, blow: Blow, player: Player) -> None:
        await asyncio.sleep(min(blow.lasts_s, 2.0))
        player.start()
        if isinstance(player, RolePlayer):
            await asyncio.to_thread(player.program.wait_up)

    async def _hit_line(self, name: str, blow: Blow, player: Player) -> None:
        proxy = player.proxy
        assert proxy is not None
        match name:
            case "reset":
                proxy.reset()
                return
            case "hold-requests":
                proxy.requests.shut()
            case "hold-replies":
                proxy.replies.shut()
            case "partition":
                proxy.requests.shut()
                proxy.replies.shut()
            case "slow":
                proxy.requests.delay_s = proxy.replies.delay_s = 0.05 + blow.dice / 4
            case "cut-replies":
                proxy.cuts_replies = True
        await asyncio.sleep(blow.lasts_s)
        if blow.dice < 0.3:
            proxy.reset()  # what was held up never arrives
        proxy.heal()

    async def _hit_server(self, blow: Blow) -> None:
        ground = self._stage.ground
        server = await asyncio.to_thread(ground.server)
        match blow.kind.name:
            case "kill-server":
                server.stop()
                await asyncio.sleep(min(blow.lasts_s, 1.0))
            case "stop-server":
                server.freeze()
                try:
                    await asyncio.sleep(blow.lasts_s)
                finally:
                    server.thaw()
            case "flush-scripts":
                with server.client() as client:
                    client.function_flush()
            case "full-disk":
                _fill_disk(server)
                await asyncio.sleep(blow.lasts_s)
                server.stop()  # with fsync always a server that cannot write has ended by itself
            case "failover":
                assert isinstance(ground, Replicated)
                await asyncio.to_thread(ground.fail_over)
            case "move-slot":
                assert isinstance(ground, Cluster)
                await asyncio.to_thread(ground.move)
        await asyncio.to_thread(ground.mend, server)


async def _stop(pids: Sequence[int], seconds: float) -> None:
    send(pids, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        send(pids, signal.SIGCONT)


def _fill_disk(server: TcpServer) -> None:
    """As far as its process can see: no file grows beyond what the largest has now."""
    files = [path for path in server.socket.parent.rglob("*.aof") if path.is_file()]
    largest = max((path.stat().st_size for path in files), default=0)
    _, most = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (largest + 100, most))
