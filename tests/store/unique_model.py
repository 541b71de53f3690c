"""What unique keys are to do, in the plainest words: the part of the model that knows them."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jobd.domain.ids import is_made_id

if TYPE_CHECKING:
    from tests.store.model import Job, Order

LETTERS = {
    "waiting": "w",
    "delayed": "d",
    "blocked": "b",
    "active": "a",
    "completed": "c",
    "failed": "f",
    "cancelled": "x",
}
UNSTARTED = ("waiting", "delayed", "blocked")
Answer = bool | tuple[str, str]
"""was it made? Or what became of it, and the id of the other one"""


class Refused(Exception):
    """One of several finds its key taken, and wants none of them then."""


@dataclass
class Key:
    """A key that is owned."""

    owner: str
    since: int
    until: int
    follower: str = ""


@dataclass(frozen=True)
class Wish:
    """What makes a job unique."""

    key: str
    mode: str
    insists: bool
    states: str
    ms: int


def wish_of(order: Order) -> Wish | None:
    if not order.unique:
        return None
    key, mode, states, ms = order.unique.split(":")
    return Wish(key, mode[0], mode.endswith("!"), states, int(ms))


def staged(job: Job) -> bool:
    """Does it wait for the rest of its batch?"""
    return job.state == "blocked" and not job.batch.startswith("u/")


class Uniqueness(ABC):
    """The keys, and what jobs do with them."""

    now: int
    jobs: dict[str, Job]
    muddled: set[str]
    unique_keys: dict[str, Key]
    gone: dict[tuple[int, str], tuple[int, tuple[str, str] | None]]
    """by minute and id: when it was removed, or met another, and what it was answered then"""
    refusals: dict[tuple[int, str], tuple[int, str]]
    """by minute and id: when it was refused, and because of whom"""

    @abstractmethod
    def _line_up(self, job: Job, *, first: bool = False) -> None: ...

    @abstractmethod
    def limit_anew(self, job: Job) -> None: ...

    def remember(self, job_id: str, answer: tuple[str, str] | None = None) -> None:
        self.gone[self.now // 60_000 % 3, job_id] = (self.now, answer)

    def gone_at(self, job_id: str) -> tuple[int, tuple[str, str] | None]:
        return max((self.gone.get((minute, job_id), (-1, None)) for minute in range(3)), key=lambda told: told[0])

    def told_since(self, job_id: str, since: int) -> Answer | None:
        """What a call of then is told of this one, which is not there; None if nothing has become of it. What was there
        was not refused to that call, whatever others were told later. Raises Refused."""
        at, fate = self.gone_at(job_id)
        if at >= since:
            return fate or False
        at, owner = max(
            (self.refusals.get((minute, job_id), (-1, "")) for minute in range(3)), key=lambda told: told[0]
        )
        if at >= since:
            raise Refused(owner)
        return None

    def remember_refusal(self, ids: Sequence[str], refused: Refused, *, every: bool) -> None:
        """Of `every` one, or of those that callers chose, who may ask for them in another call."""
        for job_id in ids:
            if every or not is_made_id(job_id):
                self.refusals[self.now // 60_000 % 3, job_id] = (self.now, str(refused))

    def snapshot(self) -> dict[str, Any]:
        return copy.deepcopy(self.__dict__)

    def go_back_to(self, snapshot: dict[str, Any]) -> None:
        self.__dict__.update(snapshot)

    def owned(self, name: str) -> Key | None:
        key = self.unique_keys.get(name)
        return key if key and (not key.until or key.until > self.now) else None

    # --- coming in -----------------------------------------------------------------------------------------------

    def meet(self, order: Order, due: int, *, quietly: bool) -> tuple[str, str] | None:
        """What becomes of it: None if it is made; ("follows", key) if it is made and waits for the owner's end. Raises
        Refused, unless it is to be quiet."""
        wish = wish_of(order)
        if wish is None:
            return None
        key = self.owned(wish.key)
        owner = self.jobs.get(key.owner) if key else None
        if key and (self._counts_as(owner) if owner else "g") in wish.states:
            target = owner
            if wish.mode == "k" and owner and self._has_started(owner):
                if not key.follower:
                    key.follower, key.until = order.id, 0
                    return "follows", wish.key
                target = self.jobs[key.follower]
            if wish.mode == "s" or target is None or self._has_started(target):
                if wish.insists and not quietly:
                    raise Refused(key.owner)
                return "existing", key.owner
            goes_to = "delayed" if due > self.now else "waiting"
            self._give(target, order, target.state if target.state == "blocked" else goes_to, due)
            return "replaced", target.order.id
        if ("d" if due > self.now else "w") in wish.states:
            self.take(wish, order.id)
        return None

    def take(self, wish: Wish, job_id: str) -> None:
        before = self.owned(wish.key)
        if before and before.follower:
            self._let_follow([before.follower], wish.key)
        self.unique_keys[wish.key] = Key(job_id, self.now, self.now + wish.ms if wish.ms else 0)

    def take_again(self, job: Job) -> str:
        """The owner that stands in the way of a job that runs again by hand; else it has its key."""
        wish = wish_of(job.order)
        if wish is None or "w" not in wish.states or "g" in wish.states:
            return ""
        key = self.owned(wish.key)
        if key and key.owner == job.order.id:
            return ""
        owner = self.jobs.get(key.owner) if key else None
        if key and (self._counts_as(owner) if owner else "g") in wish.states:
            return key.owner
        self.take(wish, job.order.id)
        return ""

    def _counts_as(self, job: Job) -> str:
        """The state that counts for a key: who waits for the rest of its batch is on its way to another."""
        return ("d" if job.due > self.now else "w") if staged(job) else LETTERS[job.state]

    def _has_started(self, job: Job) -> bool:
        return job.deliveries > 0 or job.state not in UNSTARTED

    def _give(self, job: Job, order: Order, state: str, due: int) -> None:
        places = [(each.queue, each.priority, each.type) for each in (order, job.order)]
        elsewhere = places[0] != places[1]
        if job.state == "waiting" and (state != "waiting" or elsewhere):
            self.muddled.add(job.order.id)
        stays = job.state == state == "waiting" and not elsewhere
        job.order, job.state, job.due = replace(order, id=job.order.id), state, due
        self.limit_anew(job)
        if state == "waiting" and not stays:
            self._line_up(job)

    # --- letting go ----------------------------------------------------------------------------------------------

    def lose_key(self, job: Job, state: str = "g") -> None:
        """It is removed, or comes into this state."""
        wish = wish_of(job.order)
        key = self.owned(wish.key) if wish else None
        if wish and key and key.follower == job.order.id:
            key.follower = ""
        if wish and key and key.owner == job.order.id and (key.follower or state not in wish.states):
            self.free(wish.key)

    def let_keys_go(self) -> None:
        """Whoever has left the states in which it keeps its key has lost it."""
        for key in [key for name, key in self.unique_keys.items() if self.owned(name)]:
            follower = self.jobs.get(key.follower)
            if key.follower and (follower is None or follower.state != "blocked"):
                key.follower = ""
        freed = []
        for name in [name for name in self.unique_keys if self.owned(name)]:
            owner = self.jobs.get(self.unique_keys[name].owner)
            wish = wish_of(owner.order) if owner else None
            followed = owner and self.unique_keys[name].follower and LETTERS[owner.state] in "cfx"
            left = owner and not staged(owner) and wish and LETTERS[owner.state] not in wish.states
            if owner and (followed or left):
                freed.append(name)
        followers = [self.unique_keys[name].follower for name in freed if self.unique_keys[name].follower]
        if len(followers) > 1:
            self.muddled |= set(followers)  # which of them comes first is not told
        for name in freed:
            self.free(name)

    def free(self, name: str) -> None:
        """Its follower has it now, if there is one."""
        key = self.unique_keys.pop(name)
        if key.follower and self._let_follow([key.follower], name):
            self.unique_keys[name] = Key(key.follower, self.now, 0)

    def free_by_hand(self, name: str, owner: str) -> tuple[bool, Key | None]:
        key = self.owned(name)
        if key is None or (owner and owner != key.owner):
            return key is None, key
        self._let_follow([key.follower], name)
        del self.unique_keys[name]
        return True, key

    def sweep(self) -> int:
        over = [name for name, key in self.unique_keys.items() if not self.owned(name)]
        for name in over:
            del self.unique_keys[name]
        return len(over)

    def _let_follow(self, ids: Sequence[str], name: str) -> bool:
        for job in [self.jobs[job_id] for job_id in ids if job_id in self.jobs]:
            if job.state == "blocked" and job.batch == f"u/{name}":
                job.state = "delayed" if job.due > self.now else "waiting"
                if job.state == "waiting":
                    self._line_up(job)
                return True
        return False
