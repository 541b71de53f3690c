"""The verbs by which people change what jobs are, move them and remove them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any

from jobd.domain.delivery import NewJob
from jobd.domain.state import State
from jobd.store.caller import Caller
from jobd.store.codec import LETTERS
from jobd.store.facts import pack_facts
from jobd.store.intake_words import grouped, word
from jobd.store.link import Argument

STAMP_BYTES = 9
"""of a spec, that the store puts in front: its version and when the job was made"""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be changed in a job that has not started."""

    id: str
    read: bytes = b""
    """its spec, as it was when the change was thought of; nothing if only its time changes"""
    spec: bytes = b""
    """what it is to be, packed as in NewJob; nothing: as it is"""
    due: str = ""
    """when it may run: '' as it is, 'now', '+ms' from now, 'ms' since 1970"""


@dataclass(frozen=True, slots=True)
class Move:
    """A job, and the one to be made in its place."""

    id: str
    read: bytes
    """its spec, as it was when the new one was made from it"""
    new: NewJob


class Edits(Caller):
    """The part of a shard that edits jobs."""

    async def specs(self, ids: Sequence[str]) -> list[bytes | None]:
        """What these jobs are, packed; None for those that are not there."""
        found: list[bytes | None] = await self.link.command("HMGET", self.keys.fixed("jobs"), *ids) if ids else []
        return found

    async def change(self, changes: Sequence[Change]) -> list[str]:
        """Changes jobs that have not started. For each: 'done', 'missing', 'stale' (it is not what the caller read), or
        the state it is in that does not allow it. Raises StoreFull."""
        words: list[Argument] = []
        for change in changes:
            words += (change.id, _check(change.read), change.spec, change.due)
        return [word(reply) for reply in await self._run("change", *words)]

    async def delete(self, ids: Sequence[str], states: Collection[State]) -> list[str]:
        """Removes jobs that are in one of these states. For each: 'gone' (now, or lately), 'missing', or the state it
        is in and stays in."""
        letters = "".join(LETTERS[state] for state in states)
        return [word(reply) for reply in await self._run("delete", letters, *ids)]

    async def move(self, moves: Sequence[Move], facts: Mapping[str, Any]) -> list[str]:
        """Ends jobs that have not started or have failed, and makes others in their place, in this shard. For each:
        'moved', 'missing', 'stale' (it is not what the caller read), or the state it is in and stays in. Raises
        StoreFull."""
        words: list[Argument] = [self.retention.most_failed, len(moves)]
        for move in moves:
            words += (move.id, _check(move.read), move.new.id, pack_facts(facts))
        _, arguments = grouped([(str(number), move.new) for number, move in enumerate(moves, 1)])
        return [word(reply) for reply in await self._run("move", *words, *arguments)]


def _check(read: bytes) -> str:
    """What the scripts compare: without version and time of creation, which stay."""
    return sha1(read[STAMP_BYTES:], usedforsecurity=False).hexdigest() if read else ""
