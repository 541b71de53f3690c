"""One run: the stage is set, the schedule is carried out under load, all is left to end, and the history is judged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace

import jobd
from jobd.domain.options import DEFAULT_QUEUE, Options
from jobd.errors import JobNotFound, ResultTimeout
from jobd.intake import Request
from tests.chaos.blows import Blows
from tests.chaos.checker import Judge, Verdict, check
from tests.chaos.ground import GROUNDS, Cluster, Replicated
from tests.chaos.history import Scribe, read
from tests.chaos.nemesis import draw_up
from tests.chaos.players import ProducerPlayer
from tests.chaos.sabotage import Sabotage
from tests.chaos.stage import CONCURRENCY, ROOT, Setting, Stage
from tests.chaos.wishes import ONLY, Item

_CALM_S = 3.0
_PATIENCE_S = 120.0
_LOOK_S = 0.5
_LEAST_SHARE = 0.3
"""of the jobs that the producers were to ask for, so many must have been accepted"""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Storm:
    """What is to be done."""

    setting: Setting
    faults: Collection[str]
    seconds: float
    every_s: float
    """between two faults, on average"""

    roles: Collection[str] = ()
    """only these are hit; none named: all"""

    def sabotaged(self, sabotage: Sabotage) -> Storm:
        """The same, with jobd broken."""
        folder = self.setting.folder / sabotage.name
        folder.mkdir(parents=True)
        code = sabotage.broken_copy(ROOT / "jobd", folder) if sabotage.edits else ROOT
        setting = replace(
            self.setting,
            folder=folder,
            code=code,
            rate=sabotage.rate,
            topology="one",
            environment={**dict(sabotage.environment), ONLY: " ".join(sabotage.kinds)},
            server_settings=sabotage.server_settings,
        )
        return Storm(setting, sabotage.faults, sabotage.seconds, sabotage.every_s, sabotage.roles)

    async def run(self, say: Say) -> Verdict:
        """The verdict; `say` is told how far it is."""
        async with Stage(self.setting) as stage:
            schedule = draw_up(
                self.setting.seed,
                self.faults,
                lambda roles: self._targets(stage, roles),
                seconds=self.seconds,
                every_s=self.every_s,
                lease_s=self.setting.lease_s,
            )
            for blow in schedule:
                say(str(blow))
            began = time.monotonic()
            blows = Blows(stage)
            await blows.run(schedule)
            await asyncio.sleep(max(0.0, began + self.seconds - time.monotonic()))
            calm_at = await self._calm(stage)
            await self._end(stage)
            await self._results(stage)
            if blows.skipped:
                say(f"{len(blows.skipped)} faults were left out, for their targets were just under another one")
            history = await asyncio.to_thread(read, stage.history)
        workers = stage.names(["worker"])
        judge = Judge(history, self.setting.lease_s, calm_at, workers, forgets=self._forgets)
        return check(judge, least=round(_LEAST_SHARE * self.setting.rate * self.seconds))

    def _targets(self, stage: Stage, roles: Collection[str]) -> list[str]:
        """Whom faults for these roles may hit."""
        found = [name for name in stage.names(roles) if name.partition("-")[0] in self.roles or not self.roles]
        ground = stage.ground
        if ("replicated" in roles and isinstance(ground, Replicated)) or (
            "cluster" in roles and isinstance(ground, Cluster)
        ):
            found.append("server")
        return found

    async def _calm(self, stage: Stage) -> float:
        """All is well, and there is more to do than one worker alone takes. Returns since when."""
        calm_at = time.monotonic()
        scribe = Scribe(stage.history / "calm")
        items = [
            Item("plain", f"calm-{number}", {"key": f"calm-{number}", "seconds": 1.0})
            for number in range(2 * CONCURRENCY * self.setting.workers)
        ]
        for item in items:
            scribe.write("ask", key=item.key, kind=item.kind)
        async with jobd.Client(stage.ground.url) as client:
            await client.enqueue_requests([_request(item) for item in items])
        for item in items:
            scribe.write("answer", key=item.key, answer="accepted")
        scribe.close()
        await asyncio.sleep(_CALM_S)
        return calm_at

    @property
    def _forgets(self) -> bool:
        return issubclass(GROUNDS[self.setting.topology], Replicated)

    async def _end(self, stage: Stage) -> None:
        """Producers end; then all that was accepted has run, or nothing has happened for long."""
        producers = stage.of(ProducerPlayer)
        for producer in producers:
            producer.ask_to_end()
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                while any(producer.alive for producer in producers):
                    await asyncio.sleep(_LOOK_S)
        give_up, last = time.monotonic() + _PATIENCE_S, -1
        still_s = 4 * self.setting.lease_s + 10
        moved = time.monotonic()
        while time.monotonic() < give_up and time.monotonic() < moved + still_s:
            history = await asyncio.to_thread(read, stage.history)
            runs = sum(map(len, history.runs.values()))
            if runs != last:
                last, moved = runs, time.monotonic()
            ended = history.ended
            wanted = (w.key for w in history.wishes.values() if w.answer == "accepted" and not w.cancelling)
            parents = {key.partition(">")[0] for key in history.runs if ">" in key}
            families = (w.key for w in history.wishes.values() if "child" in w.facts and w.key in ended)
            if all(key in ended for key in wanted) and all(key in parents for key in families):
                break
            await asyncio.sleep(_LOOK_S)
        await asyncio.sleep(1.0)  # what ended last is settled

    async def _results(self, stage: Stage) -> None:
        """Writes down, for each key that ran or was accepted, what the store has in the end. It is given time to come
        to that: a job whose end a new master was not told of runs once more."""
        scribe = Scribe(stage.history / "results")
        history = await asyncio.to_thread(read, stage.history)
        ids = {key: runs[0].job for key, runs in history.runs.items()}
        ids |= {wish.key: wish.key for wish in history.wishes.values() if wish.answer == "accepted"}
        give_up = time.monotonic() + 4 * self.setting.lease_s + 10
        async with jobd.Client(stage.ground.url) as client:
            for key, job_id in ids.items():
                try:
                    with suppress(ResultTimeout):
                        await client.wait(job_id, max(0.0, give_up - time.monotonic()))
                    job = await client.get(job_id)
                except JobNotFound:
                    scribe.write("result", key=key, status="gone")
                else:
                    scribe.write("result", key=key, status=job.status, result=job.result, reason=job.reason)
        scribe.close()


def _request(item: Item) -> Request:
    return Request(item.type, item.data, Options(queue=DEFAULT_QUEUE), item.key)
