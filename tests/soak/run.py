"""The run: a server, a worker, an API and two producers, one by HTTP; and a look at each of them now and then."""

from __future__ import annotations

import asyncio
import os
import time
from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from aiohttp import ClientSession

import jobd
from tests.acceptance.program import Program
from tests.real_server import RealServer, bundled
from tests.soak.verdict import Sample, has_grown

ROOT = Path(__file__).parents[2]
LOOKS = 10
MOST_AHEAD = 20_000
"""jobs that producers are ahead of the worker"""
BATCH = 500
REMEMBERED_S = 240
"""by then the server has forgotten the ids of all jobs that it has removed"""


@dataclass
class Soak:
    """A run of so many jobs."""

    jobs: int
    folder: Path
    say: Callable[[str], None]
    samples: list[Sample] = field(default_factory=list)

    async def run(self) -> Counter[int]:
        """How often each number of runs happened: {1: all} is what should be."""
        journal = self.folder / "journal"
        path = os.pathsep.join(map(str, [ROOT, Path(__file__).with_name("plugin"), os.environ.get("PYTHONPATH", "")]))
        with RealServer(bundled()) as server:
            about = {"JOBD_REDIS_URL": server.url, "SOAK_JOURNAL": str(journal), "PYTHONPATH": path}
            about["JOBD_RETENTION__COMPLETED"] = "1000"
            roles = ("--role", "worker", "--role", "scheduler", "--role", "monitor")
            with (
                Program(self.folder / "worker", *roles, "--concurrency", "100", environment=about) as worker,
                Program(self.folder / "api", "--role", "api", "--port", "0", environment=about) as api,
            ):
                url = api.line("API").removesuffix("/api/v1/jobs")
                async with jobd.Client(server.url) as client, ClientSession(url) as session:
                    pids = {"worker": worker.workers()[0], "API": api.pid, "server": server.pid}
                    for number in range(LOOKS):
                        part = range(number * self.jobs // LOOKS, (number + 1) * self.jobs // LOOKS)
                        begun = time.monotonic()
                        await self._enqueue(client, session, part, journal)
                        await self._wait(journal, part.stop)
                        self._look(server, pids, part.stop, len(part) / (time.monotonic() - begun))
                    end = time.monotonic() + REMEMBERED_S
                    while has_grown(self.samples) and time.monotonic() < end:
                        await asyncio.sleep(10)
                        self._look(server, pids, self.jobs, 0)
        return runs(journal, self.jobs)

    def _look(self, server: RealServer, pids: Mapping[str, int], jobs: int, rate: float) -> None:
        with server.client() as redis:
            used = int(redis.info("memory")["used_memory"])
        self.samples.append(Sample(jobs, rate, used, {who: rss(pid) for who, pid in pids.items()}))
        self.say(str(self.samples[-1]))

    async def _enqueue(self, client: jobd.Client, session: ClientSession, part: range, journal: Path) -> None:
        for at in range(part.start, part.stop, 2 * BATCH):
            mine = range(at, min(at + BATCH, part.stop))
            theirs = range(mine.stop, min(mine.stop + BATCH, part.stop))
            jobs = [{"type": "soak", "data": {"number": number}} for number in theirs]
            over_http = session.post(
                "/api/v1/jobs/batch", data=orjson.dumps({"jobs": jobs}), headers={"Content-Type": "application/json"}
            )
            _, reply = await asyncio.gather(
                client.enqueue_many("soak", [{"number": number} for number in mine]), _status(over_http, bool(jobs))
            )
            if jobs and reply != 201:
                raise RuntimeError(f"a batch was answered with {reply}")
            await self._wait(journal, part.start + (at - part.start) - MOST_AHEAD)

    async def _wait(self, journal: Path, ran: int) -> None:
        """Returns when so many jobs have run."""
        end = time.monotonic() + 120
        while _size(journal) < 4 * ran:
            if time.monotonic() > end:
                raise RuntimeError(f"fewer than {ran} jobs have run after two minutes of waiting")
            await asyncio.sleep(0.05)


def _size(journal: Path) -> int:
    return journal.stat().st_size if journal.exists() else 0


async def _status(request: object, wanted: bool) -> int:
    if not wanted:
        request.close()  # type: ignore[attr-defined]  # it was not begun
        return 0
    async with request as reply:  # type: ignore[attr-defined]  # what `post` makes is one
        await reply.read()
        return int(reply.status)


def rss(pid: int) -> int:
    """The bytes of memory that a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def runs(journal: Path, jobs: int) -> Counter[int]:
    """How many jobs ran how often."""
    times = array("B", bytes(jobs))
    with journal.open("rb") as file:
        while chunk := file.read(4 * 65_536):
            for at in range(0, len(chunk), 4):
                times[int.from_bytes(chunk[at : at + 4])] += 1
    return Counter(times)
