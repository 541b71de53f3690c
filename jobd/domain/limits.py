"""Limits: what operators and the configuration say of a queue, a group, a type or a key, in the place of what its jobs
say. Each is declared once, in `LIMITS`; configuration, HTTP and command line follow from that."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from jobd.domain.keep import Keep
from jobd.domain.kinds.kind import Kind
from jobd.domain.kinds.rules import KEEP, RATE
from jobd.domain.kinds.times import duration
from jobd.domain.kinds.words import whole
from jobd.domain.lane_key import check_key, decoded, encoded
from jobd.domain.names import check_queue_name, check_type_name, same_name
from jobd.domain.rate import Rate
from jobd.errors import OptionError

MOST_AT_A_TIME = 100_000
MOST_WEIGHT = 100
MOST_WAITING = 100_000_000


class Scope(StrEnum):
    """What can be limited."""

    QUEUE = "queue"
    GROUP = "group"
    """a group in a queue"""
    TYPE = "type"
    KEY = "key"
    """a concurrency key"""
    RATE = "rate"
    """a rate key"""


_LETTERS = {Scope.QUEUE: "q", Scope.GROUP: "g", Scope.TYPE: "t", Scope.KEY: "c", Scope.RATE: "r"}
_SCOPES = {letter: scope for scope, letter in _LETTERS.items()}


@dataclass(frozen=True, slots=True)
class Limit:
    """One thing that can be said."""

    keyword: str
    kind: Kind
    about: str
    scopes: frozenset[Scope]
    field: str
    """its name in the rules of the store (lua/lib/rules.lua)"""
    to_rule: Callable[[Any], Any] = lambda value: value
    from_rule: Callable[[Any], Any] = lambda value: value

    @property
    def wire(self) -> str:
        """Its name in JSON."""
        return self.keyword + self.kind.unit


def _rate_of_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    return Rate(rule["n"], rule["ms"], rule.get("burst")).to_json()


def _limit(
    keyword: str,
    kind: Kind,
    about: str,
    *scopes: Scope,
    field: str | None = None,
    rated: bool = False,
    kept: bool = False,
) -> tuple[str, Limit]:
    if kept:
        return keyword, Limit(keyword, kind, about, frozenset(scopes), field or keyword, Keep.to_json)
    if rated:
        return keyword, Limit(keyword, kind, about, frozenset(scopes), field or keyword, Rate.to_rule, _rate_of_rule)
    return keyword, Limit(keyword, kind, about, frozenset(scopes), field or keyword)


_AT_A_TIME = whole(1, MOST_AT_A_TIME)
LIMITS: Mapping[str, Limit] = dict(
    [
        _limit("concurrency", _AT_A_TIME, "how many may run at a time", *(set(Scope) - {Scope.RATE})),
        _limit("rate", RATE, "how many may start: 100/1m", *(set(Scope) - {Scope.KEY}), rated=True),
        _limit("group_concurrency", _AT_A_TIME, "how many of each of its groups may run at a time", Scope.QUEUE),
        _limit("group_rate", RATE, "how many of each of its groups may start", Scope.QUEUE, rated=True),
        _limit("weight", whole(1, MOST_WEIGHT), "its share beside the other groups of its queue", Scope.GROUP),
        _limit(
            "ageing",
            duration(least=1_000),
            "what waits that long rises by one priority, again and again",
            Scope.QUEUE,
            field="ageing_ms",
        ),
        _limit(
            "size", whole(1, MOST_WAITING), "how many jobs may be in it that have not started", Scope.QUEUE, Scope.GROUP
        ),
        _limit("group_size", whole(1, MOST_WAITING), "how many such jobs may be in each of its groups", Scope.QUEUE),
        _limit("keep_completed", KEEP, "how many completed jobs are kept, and how long", Scope.QUEUE, kept=True),
        _limit("keep_failed", KEEP, "how many failed ones, and how many cancelled", Scope.QUEUE, kept=True),
    ]
)  # fmt: skip

SPREAD_FORBIDS = ("concurrency", "rate", "size")
"""limits of a queue for which all its jobs must be in one shard, by keyword and field"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What limits a queue, a group, a type or a key. Names of queues and types are in the form in which `_` and `-` are
    the same."""

    scope: Scope
    names: tuple[str, ...]
    """of a group: its queue and its own; else one"""
    holds: dict[str, Any]
    """what holds, in the words of the API: {"concurrency": 5, "rate": {"count": 100, "per_ms": 60000}}"""
    set: dict[str, Any] = field(default_factory=dict)
    """of that, what was set at run time; the rest is from the configuration"""


def gate_of(scope: Scope, *names: str) -> str:
    """The gate of a queue, a type or a key by its name, or of a group by those of its queue and itself. Raises
    OptionError."""
    letter = _LETTERS[scope]
    match scope, names:
        case Scope.QUEUE, (queue,):
            return f"{letter}/{same_name(check_queue_name(queue))}"
        case Scope.GROUP, (queue, group):
            return f"{letter}/{same_name(check_queue_name(queue))}/{encoded(check_key(group, 'group'))}"
        case Scope.TYPE, (name,):
            return f"{letter}/{same_name(check_type_name(name))}"
        case ((Scope.KEY | Scope.RATE), (key,)):
            return f"{letter}/{encoded(check_key(key, scope))}"
    wanted = "the queue and the group" if scope is Scope.GROUP else "one name"
    raise OptionError(f"{scope}: give {wanted}, not {' '.join(names) or 'nothing'}")


def scope_of(gate: str) -> tuple[Scope, tuple[str, ...]]:
    """What `gate_of` was given."""
    letter, _, rest = gate.partition("/")
    scope = _SCOPES[letter]
    if scope is Scope.GROUP:
        queue, _, group = rest.partition("/")
        return scope, (queue, decoded(group))
    return scope, (decoded(rest) if scope in (Scope.KEY, Scope.RATE) else rest,)


def read_limits(scope: Scope, given: Mapping[str, Any], read: Callable[[Kind], Any]) -> dict[str, Any]:
    """The changes to a rule that are asked for, None taking back. `read` chooses how values are read: from JSON or from
    texts. Raises OptionError naming the limit and what is allowed."""
    changes: dict[str, Any] = {}
    named = {limit.keyword: limit for limit in LIMITS.values() if scope in limit.scopes}
    known = {limit.wire: limit for limit in named.values()} | named
    for name, value in given.items():
        limit = known.get(name)
        if limit is None:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(named)}"
            raise OptionError(f"there is no limit {name!r} of a {scope}; {hint}")
        changes[limit.field] = None if value is None else limit.to_rule(read(limit.kind)(value, name))
    return changes


def tell_limits(rule: Mapping[str, Any]) -> dict[str, Any]:
    """The limits in a rule, by their names in JSON."""
    return {limit.wire: limit.from_rule(rule[limit.field]) for limit in LIMITS.values() if limit.field in rule}
