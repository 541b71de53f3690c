"""The shards of a store: how many there are now, which of them a job belongs to, and how there come to be more."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from jobd import clock
from jobd.domain.delivery import NewJob
from jobd.domain.ids import is_made_id, shard_of_id
from jobd.domain.limits import SPREAD_FORBIDS, Scope, gate_of, scope_of
from jobd.domain.names import same_name
from jobd.domain.shard_facts import MOST_SHARDS
from jobd.errors import OptionError, StateConflict
from jobd.store.agreement import Agreement, Numbers, Outgrown
from jobd.store.homes import ALONE, Home, find_home, shard_of, spread_home, spread_queues, written_home
from jobd.store.keys import Keys
from jobd.store.link import PATIENCE_S, Link
from jobd.store.retention import Retention
from jobd.store.rules import FENCE
from jobd.store.shard import Shard
from jobd.store.topology.owner import Owner
from jobd.store.topology.topology import Topology
from jobd.store.topology.wire import Wire

FRESH_S = 1.0
"""how long the number of shards is taken for known by those who look for what is there"""


class Growing(ABC):
    """The part of a store that knows its shards."""

    def __init__(self, topology: Topology, name: str, prefix: str, retention: Retention | None, shards: int) -> None:
        """`shards` is how many there are as far as the settings know; `name` is what it is called in errors."""
        self._topology = topology
        self._name = name
        self._prefix = prefix
        self._retention = retention
        self._agreement = Agreement(Keys(prefix, 0), shards, name, self._heed)
        self._numbers: Numbers | None = None
        self._learned_at = 0.0
        self._homes: dict[str, Home] = {}
        self._links: dict[int, Link] = {}
        self.shards: tuple[Shard, ...] = tuple(self._shard(number, shards) for number in range(shards))

    def _shard(self, number: int, among: int) -> Shard:
        if number not in self._links:
            # what the first shard says holds for all
            opening = self._opened if number else self._agreement.reach
            owner = Owner(self._topology, Keys(self._prefix, number).base)
            self._links[number] = Link(owner, name=self._name, opening=opening)
        return Shard(self._links[number], self._prefix, number, retention=self._retention, among=among)

    async def _opened(self, _wire: Wire) -> None:
        await self.shards[0].link.command("PING")

    async def close(self) -> None:
        """Closes its connections."""
        for link in self._links.values():
            await link.close()

    @abstractmethod
    async def known_types(self) -> dict[str, dict[str, Any]]:
        """The job types that workers have made known."""

    # --- how many there are --------------------------------------------------------------------------------------

    async def learn(self, *, fresh_s: float = FRESH_S) -> Numbers:
        """How many shards there are, asked for unless that was done in the last `fresh_s` seconds. Raises StoreRefused
        if there never were as many as the settings say, StoreUnavailable."""
        if self._numbers is None:
            await self.shards[0].link.insist(_nothing, PATIENCE_S, what="GET")  # it is asked for when it is opened
        elif clock.monotonic() - self._learned_at >= fresh_s:
            await self.shards[0].link.insist(self._agreement.reach, PATIENCE_S, what="GET")
        if self._numbers is None:
            raise AssertionError("opening a link to the first shard tells how many there are")
        return self._numbers

    async def has_grown(self) -> bool:
        """Are there more shards than were known until now?"""
        before = len(self.shards)
        await self.learn()
        return len(self.shards) > before

    def _heed(self, numbers: Numbers) -> None:
        self._numbers, self._learned_at = numbers, clock.monotonic()
        if numbers.now != self.shards[0].among:
            self._adopt(numbers.now)

    def _adopt(self, number: int) -> None:
        """There are so many shards from now on. What was chosen for one of them before is refused by it: so these are
        other objects, on the same links."""
        self.shards = tuple(self._shard(at, number) for at in range(number))

    async def follow(self, refusal: Outgrown) -> None:
        """Finds out what a shard knew that refused jobs. Raises StoreUnavailable."""
        numbers = await self.learn(fresh_s=0)
        if numbers.growing_to:
            await self.grow(numbers.growing_to)  # who was at it may have died
        elif refusal.shards != numbers.now:
            # the shard has forgotten it, as after a failover
            await self.shards[refusal.shard].set_rule(FENCE, {"shards": numbers.now})

    # --- where jobs are ------------------------------------------------------------------------------------------

    def home_known(self, queue: str) -> Home | None:
        """Where a queue lives, if this process knows it."""
        return ALONE if len(self.shards) == 1 else self._homes.get(queue)

    async def home_of(self, queue: str) -> Home:
        """Where a queue lives, for ever; decided now if that has not been done."""
        home = self.home_known(queue)
        if home is None:
            home = self._homes[queue] = await self._find_home(queue)
        return home

    async def settle_home(self, queue: str) -> None:
        """Decides where a queue lives, and writes it down also where one shard is all that is known of: jobs are on
        their way into it, and the store may have grown when they come."""
        if queue not in self._homes:
            self._homes[queue] = await self._find_home(queue)

    async def _find_home(self, queue: str) -> Home:
        numbers = await self.learn(fresh_s=60)
        home = await find_home(self.shards, numbers.had, queue)
        if home.width > len(self.shards):
            await self.learn(fresh_s=0)  # another one knows of more
        return home

    def shard_of_new(self, job: NewJob) -> int:
        """The number of the shard that a new job belongs to, whose queue's home is known."""
        if len(self.shards) == 1:
            return 0
        number = (self.home_known(job.queue) or Home(len(self.shards))).shard(job.queue, job.key)
        if number is None:
            number = (
                shard_of_id(job.id) % len(self.shards) if is_made_id(job.id) else shard_of(job.id, len(self.shards))
            )
        return number

    async def shards_with(self, queue: str) -> Sequence[Shard]:
        """The shards in which jobs of a queue are."""
        await self.learn()
        if len(self.shards) == 1:
            return self.shards
        number = (await self._find_home(queue)).shard(queue)
        return self.shards if number is None else (self.shards[number],)

    def shards_of(self, job_id: str) -> Sequence[Shard]:
        """Where a job of this id may be, the likeliest first: the shard that a made id names. It is in another one if
        the store grew while it was on its way, and anywhere if a caller chose the id."""
        if len(self.shards) > 1 and is_made_id(job_id) and (number := shard_of_id(job_id)) < len(self.shards):
            return (self.shards[number], *self.shards[:number], *self.shards[number + 1 :])
        return self.shards

    # --- growth --------------------------------------------------------------------------------------------------

    async def check_growth(self, number: int) -> int:
        """How many shards there are, if the store may have `number` of them. Raises what `grow` would."""
        numbers = await self.learn(fresh_s=0)
        now = numbers.growing_to or numbers.now
        if number != now:
            await self._check_growth(now, number)
        return now

    async def grow(self, number: int) -> Numbers:
        """Lets the store have so many shards, while it is used. Queues that have been used stay where they are; new
        ones, and jobs of spread queues that have no key, come to all. Each shard refuses jobs from then on of those who
        have not learned of it, which look again by themselves. Whoever meets a growth that was broken off goes on with
        it. Returns the numbers that it has had. Raises OptionError for fewer than there are, StateConflict if a type is
        unique over all queues, StoreUnavailable."""
        while True:
            numbers = await self.learn(fresh_s=0)
            if numbers.growing_to:
                await self._finish(numbers)
            elif number == numbers.now:
                return numbers
            else:
                await self._check_growth(numbers.now, number)
                await self._write(numbers, numbers.grow_to(number))

    async def _check_growth(self, now: int, number: int) -> None:
        if not now < number <= MOST_SHARDS:
            raise OptionError(
                f"shards: {number} is not between {now + 1} and {MOST_SHARDS}; a store never has fewer than the {now} "
                "that it has"
            )
        for name, facts in (await self.known_types()).items():
            if (facts.get("unique") or {}).get("scope") == "type":
                raise StateConflict(
                    f'type {name} is unique in all queues (unique.scope "type"), which needs them in one shard; give '
                    "it another scope first"
                )

    async def _finish(self, numbers: Numbers) -> None:
        """Each step may be taken again, and by several at a time."""
        number = numbers.growing_to
        shards = tuple(self._shard(at, number) for at in range(number))
        await self._copy_rules(shards[0], shards[numbers.now :])
        # nobody puts a new queue into an old shard any more who does not know of the new ones
        for shard in shards:
            await shard.set_rule(FENCE, {"shards": number})
        await self._write(numbers, numbers.grown())
        await self.learn(fresh_s=0)
        # what has been said in the meantime
        await self._copy_rules(shards[0], shards[numbers.now :])

    async def _write(self, read: Numbers, new: Numbers) -> None:
        """If another one was quicker, what he wrote stays."""
        await self.shards[0]._run("grow", read.text, new.text)

    async def _copy_rules(self, first: Shard, new: Sequence[Shard]) -> None:
        """What limits or pauses types, keys and spread queues holds in the new shards too."""
        spread = {same_name(queue) for queue in await spread_queues(first)}
        for layer in ("declared", "set"):
            for gate, rule in (await first.rules(layer)).items():
                if _queue_of(gate) is None or _queue_of(gate) in spread:
                    await asyncio.gather(*(_say(shard, layer, gate, rule) for shard in new))

    async def spread(self, queue: str) -> None:
        """Lets a queue be spread over all shards, for ever. Processes that have used it learn of it when they are
        started again. Raises OptionError if something limits or pauses it that would not hold over several shards."""
        numbers = await self.learn(fresh_s=0)
        home = await written_home(self.shards[0], queue)
        if home is None or not home.spread:
            for shard in self.shards:
                rule = (await shard.rules()).get(gate_of(Scope.QUEUE, queue), {})
                if found := [name for name in (*SPREAD_FORBIDS, "paused") if name in rule]:
                    raise OptionError(
                        f"spread: for queue {queue} there is {found[0]} set, which does not hold over several shards; "
                        "take it back first"
                    )
            home = await spread_home(self.shards, numbers.had, queue)
            there = self.shards[shard_of(queue, home.width)]
            for layer in ("declared", "set"):
                for gate, rule in (await there.rules(layer)).items():
                    if _queue_of(gate) == same_name(queue):
                        await asyncio.gather(*(_say(shard, layer, gate, rule) for shard in self.shards))
        self._homes[queue] = home


def _queue_of(gate: str) -> str | None:
    """The queue that a gate belongs to, or that of its group; None if it is of a type or a key."""
    scope, names = scope_of(gate)
    return names[0] if scope in (Scope.QUEUE, Scope.GROUP) else None


async def _say(shard: Shard, layer: str, gate: str, rule: Mapping[str, Any]) -> None:
    if layer == "declared":
        await shard.declare_rule(gate, rule)
    else:
        await shard.set_rule(gate, rule)


async def _nothing(_wire: Wire) -> None:
    """Opening the link was all."""
