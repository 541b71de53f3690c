"""What producers of a simulated world ask for, and what they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import jobd
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.domain.options import read_options
from jobd.errors import QueueFull, StoreError, UniqueConflict
from jobd.intake import Request
from tests.simulation.gates import NARROW
from tests.simulation.line import SimShard, SimStore
from tests.simulation.oracle import Oracle
from tests.simulation.weather import Weather, Wire

PLAIN: Mapping[str, Any] = {}
SINGLE: tuple[Mapping[str, Any], ...] = (
    *[PLAIN] * 6,
    *({"delay": "3s"}, {"priority": 1}),
    *({"expires": "2s"}, {"deadline": "15s"}, {"queue_timeout": "3s"}),
)
CROWDED: tuple[Mapping[str, Any], ...] = (
    *({"concurrency_key": "k", "concurrency": 1}, {"concurrency_key": "m", "concurrency": 2}),
    *({"group": "a"}, {"group": "b"}),
    {"rate": "2/5s", "rate_key": "r"},
    {"queue": NARROW},
)
ORDERED: Mapping[str, Any] = {"ordering_key": "o"}
MODES: tuple[Mapping[str, Any], ...] = (
    *({"mode": "simple"}, {"mode": "simple", "on_conflict": "error"}),
    *({"mode": "replace"}, {"mode": "keep_last"}),
)
KINDS = ("good", "good", "bad", "shaky", "slow", "parent", "lot", "lot")


@dataclass
class Told:
    """What a producer was told of the jobs that it had asked for."""

    accepted: set[str] = field(default_factory=set)
    unclear: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    """with the reason, or what they met"""
    sets: list[list[str]] = field(default_factory=list)
    """ids that are taken whole or not at all"""
    ordered: list[str] = field(default_factory=list)
    """accepted one after the other, under one ordering key"""
    cancelling: set[str] = field(default_factory=set)
    """somebody wanted these to be cancelled"""
    cancelled: dict[str, int] = field(default_factory=dict)
    """how many runs there had been when it was said that the job is cancelled"""


class Producer:
    """Asks for one thing after the other. What is not answered is asked for again, if its id was chosen."""

    def __init__(
        self,
        name: str,
        told: Told,
        oracle: Oracle,
        weather: Weather,
        catalog: Catalog,
        dice: Random,
        runs: Callable[[], int],
    ) -> None:
        """Its ids begin with `name`. `runs` says how many runs of handlers there have been."""
        self.wire = Wire(weather)
        store = SimStore(oracle, self.wire)
        self._client = Client(store=store, catalog=catalog)
        self._shard: SimShard = store.sim
        self._dice = dice
        self._runs = runs
        self._name = name
        self._asked = 0
        self.told = told

    async def run(self) -> None:
        """All that it wants in its life, if that is not cut short."""
        wishes = [self._one, self._one, self._one, self._crowd, self._ordered, self._unique, self._set]
        for _ in range(self._dice.choice([2, 5, 10])):
            await asyncio.sleep(self._dice.random() * 4)
            await self._dice.choice(wishes)()

    async def _one(self) -> None:
        manner = self._dice.choice(SINGLE)
        (job_id,) = await self._ask([(self._dice.choice(KINDS), manner)], chosen=self._dice.random() < 0.7)
        if self._dice.random() < 0.1:
            self.told.cancelling.add(job_id)
            with suppress(StoreError):
                if await self._shard.cancel(job_id) == "cancelled":
                    self.told.cancelled[job_id] = self._runs()

    async def _crowd(self) -> None:
        manner = self._dice.choice(CROWDED)
        for _ in range(4):
            await self._ask([(self._dice.choice(["slow", "lot", "shaky"]), manner)], chosen=self._dice.random() < 0.7)

    async def _ordered(self) -> None:
        kinds = [self._dice.choice(["good", "shaky", "slow"]) for _ in range(3)]
        for kind in kinds:
            (job_id,) = await self._ask([(kind, ORDERED)])
            if job_id in self.told.accepted:
                self.told.ordered.append(job_id)

    async def _unique(self) -> None:
        unique = jobd.Unique(self._dice.choice("uv"), scope="type", **self._dice.choice(MODES))
        for _ in range(2):
            await self._ask([("slow", {"unique": unique})], chosen=self._dice.random() < 0.7)

    async def _set(self) -> None:
        size = self._dice.choice([2, 5, 7])
        await self._ask([(self._dice.choice(["good", "bad", "lot"]), PLAIN)] * size)

    async def _ask(self, wanted: Sequence[tuple[str, Mapping[str, Any]]], *, chosen: bool = True) -> list[str]:
        """The ids of what was asked for, whatever has become of it."""
        requests = []
        for kind, options in wanted:
            self._asked += 1
            requests.append(
                Request(kind, None, read_options(options), f"{self._name}{self._asked}" if chosen else None)
            )
        planned = await self._client.intake.plan(requests)
        ids = [plan.new_job.id for plan in planned]
        self.told.unclear.update(ids)
        if len(ids) > 1:
            self.told.sets.append(ids)
        for _ in range(self._dice.choice([1, 3, 3]) if chosen else 1):
            try:
                self._note(ids, await self._client.enqueue_planned(planned))
            except StoreError:
                await asyncio.sleep(1)
            except (UniqueConflict, QueueFull) as refusal:
                self.told.unclear.difference_update(ids)
                self.told.refused |= dict.fromkeys(ids, repr(refusal))
                break
            else:
                self.told.unclear.difference_update(ids)
                break
        return ids

    def _note(self, ids: Sequence[str], handles: Sequence[jobd.JobHandle[Any]]) -> None:
        for job_id, handle in zip(ids, handles, strict=True):
            if handle.id == job_id:
                self.told.accepted.add(job_id)
            else:
                self.told.refused[job_id] = f"{handle.outcome} {handle.id}"
