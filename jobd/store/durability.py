"""What a server keeps when it or its machine goes down, as it says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from jobd.errors import StoreDenied, StoreRefused
from jobd.store.link import Link, pairs

_ASKED = ("appendonly", "appendfsync", "save", "maxmemory-policy")
_FACT = re.compile(r"^(aof_enabled|maxmemory_policy):(\S+)", re.MULTILINE)


class Kept(IntEnum):
    """How much outlives the server, the least first."""

    NOTHING = 0
    SNAPSHOTS = 1
    UNKNOWN = 2
    """an append-only file that is written at times which the server does not tell"""
    AT_LEISURE = 3
    EACH_SECOND = 4
    ALL = 5


_WORDS: Mapping[Kept, tuple[str, str]] = {
    Kept.NOTHING: ("memory only (appendonly no)", "everything, when the server ends"),
    Kept.SNAPSHOTS: (
        "snapshots (appendonly no)",
        "all since the last snapshot, when the server or the machine goes down",
    ),
    Kept.UNKNOWN: ("unknown: the server does not let us see appendfsync", "unknown"),
    Kept.AT_LEISURE: ("a file (appendfsync no)", "30 s or more, when the machine goes down"),
    Kept.EACH_SECOND: ("a file, on disk each second (appendfsync everysec)", "up to 2 s, when the machine goes down"),
    Kept.ALL: (
        "a file, on disk before the answer (appendfsync always)",
        "nothing, when the server or the machine goes down",
    ),
}


@dataclass(frozen=True, slots=True)
class Durability:
    """What is known of the servers of a store; of several, the least."""

    kept: Kept
    eviction: str
    """the server's maxmemory-policy"""

    @property
    def words(self) -> str:
        """Where accepted jobs are."""
        return _WORDS[self.kept][0]

    @property
    def loss(self) -> str:
        """What is lost of them, and when."""
        return _WORDS[self.kept][1]

    @property
    def warning(self) -> str:
        """What is to be said loudly; nothing if all is well."""
        if self.kept > Kept.SNAPSHOTS:
            return ""
        return f"accepted jobs are in {self.words} and will be lost: {self.loss}; set appendonly yes on the server"


async def durability_of(links: Iterable[Link]) -> Durability:
    """Asks the servers. Raises StoreRefused where one would throw jobs away when it is full, StoreUnavailable."""
    found = [await _ask(link) for link in links]
    for known in found:
        if known.eviction.startswith("allkeys"):
            raise StoreRefused(
                f"the server's maxmemory-policy is {known.eviction}: it would throw away jobs when it is full; set it "
                "to noeviction (CONFIG SET maxmemory-policy noeviction, and in its configuration)"
            )
    return min(found, key=lambda known: known.kept)


async def _ask(link: Link) -> Durability:
    try:
        reply = pairs(await link.command("CONFIG", "GET", *_ASKED))
        settings = {name.decode(): value.decode() for name, value in reply}
    except StoreDenied:
        settings = {}
    facts = await _facts(link) if len(settings) < len(_ASKED) else {}
    return Durability(
        _kept(settings, facts), settings.get("maxmemory-policy") or facts.get("maxmemory_policy") or "unknown"
    )


async def _facts(link: Link) -> dict[str, str]:
    """What a server tells that keeps its settings to itself, as those of providers do."""
    try:
        said: Any = [await link.command("INFO", section) for section in ("persistence", "memory")]
    except StoreDenied:
        return {}
    return dict(_FACT.findall("\n".join(text.decode() for text in said)))


def _kept(settings: Mapping[str, str], facts: Mapping[str, str]) -> Kept:
    appends = settings.get("appendonly") or {"1": "yes", "0": "no"}.get(facts.get("aof_enabled", ""), "")
    if appends == "yes":
        speeds = {"always": Kept.ALL, "everysec": Kept.EACH_SECOND, "no": Kept.AT_LEISURE}
        return speeds.get(settings.get("appendfsync", ""), Kept.UNKNOWN)
    if appends == "no" and "save" in settings:
        return Kept.SNAPSHOTS if settings["save"] else Kept.NOTHING
    return Kept.UNKNOWN
