"""Uniqueness: which jobs are the same, and what becomes of one that comes while another has their key."""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from hashlib import blake2b
from typing import Any, Literal, Self, cast, get_args

from jobd.domain.duration import LONGEST_MS, Duration, milliseconds
from jobd.domain.names import same_name
from jobd.domain.plain_json import sorted_json
from jobd.domain.state import UNSTARTED, State, parse_states
from jobd.errors import InvalidRequest, OptionError

Mode = Literal["simple", "throttle", "debounce", "replace", "keep_last"]
Scope = Literal["queue", "type"]
OnConflict = Literal["existing", "error", "ignore"]

INCOMPLETE = frozenset({*UNSTARTED, State.ACTIVE})
LONGEST_KEY = 1_000
MOST_FIELDS = 32


@dataclass(frozen=True, slots=True, init=False)
class Unique:
    """What makes jobs of a type the same, and what becomes of one that is enqueued while another has their key.

    They are compared by a `key` of yours, by chosen `fields` of their payloads, or, with neither, by all fields; within
    their queue, or with `scope="type"` in all queues. A job has its key as long as it is in one of `states` (by default
    until it has ended), and with a `period` no longer than that. What happens to one that finds the key taken:

    - `simple`: it is not made.
    - `throttle`: the same, but the first one has the key for the whole `period`, whatever becomes of it.
    - `debounce`: each job is delayed by `period`; as long as it has not started, another one gives it its data, and the
      delay begins anew.
    - `replace`: it gives its data, priority and time to the job that has the key, if that has not started.
    - `keep_last`: the same; if that has started, it waits until that has ended, and others give it their data.

    `on_conflict` says what the caller of one that is not made gets: the job that is there ("existing"), an error
    ("error"), or nothing ("ignore").
    """

    key: str | None
    fields: tuple[str, ...] | None
    scope: Scope
    states: frozenset[State]
    period_ms: int
    """0 if there is none"""
    mode: Mode
    on_conflict: OnConflict

    def __init__(
        self,
        key: str | None = None,
        *,
        fields: Iterable[str] | None = None,
        scope: Scope = "queue",
        states: str | Iterable[str] | None = None,
        period: Duration | None = None,
        mode: Mode = "simple",
        on_conflict: OnConflict = "existing",
    ) -> None:
        """Raises OptionError naming the part that is wrong."""
        if key is not None and fields is not None:
            raise OptionError("unique: key and fields exclude each other; give one")
        for name, value, allowed in (
            ("scope", scope, Scope),
            ("mode", mode, Mode),
            ("on_conflict", on_conflict, OnConflict),
        ):
            if value not in get_args(allowed):
                raise OptionError(f"unique.{name}: {value!r} is none of {', '.join(get_args(allowed))}")
        self._set("key", None if key is None else _checked_key(key))
        self._set("fields", None if fields is None else _checked_fields(fields))
        self._set("scope", scope)
        self._set("states", _checked_states(states, mode))
        self._set("period_ms", _checked_period(period, mode))
        self._set("mode", mode)
        self._set("on_conflict", on_conflict)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @classmethod
    def parse(cls, value: object) -> Unique | Literal[False]:
        """From what people write: True, the names of fields, a key, the parts by name, or one that is made. False: not
        unique. Raises OptionError."""
        match value:
            case Unique() | False:
                return value
            case True:
                return cls()
            case str():
                return cls(value)
            case Mapping():
                return cls._from_parts(value)
            case Iterable():
                return cls(fields=cast("Iterable[str]", value))
        raise OptionError(
            f"unique: {value!r} is not true or false, a key, a list of fields, or an object with {', '.join(_PARTS)}"
        )

    @classmethod
    def _from_parts(cls, parts: Mapping[str, Any]) -> Self:
        if unknown := parts.keys() - _PARTS.keys():
            raise OptionError(f"unique: there is no part {min(map(str, unknown))!r}; there are {', '.join(_PARTS)}")
        given = {_PARTS[name]: value for name, value in parts.items() if value is not None}
        if "period_ms" in parts and "period" in parts:
            raise OptionError("unique: period and period_ms say the same in two ways; give one")
        if isinstance(ms := parts.get("period_ms"), int) and not isinstance(ms, bool):
            if abs(ms) > LONGEST_MS:
                raise OptionError(f"unique.period_ms: {ms} milliseconds are more than ten years")
            given["period"] = ms / 1_000
        return cls(**given)

    @classmethod
    def from_record(cls, record: object) -> Unique | Literal[False] | None:
        """What `to_json` made. What a newer jobd has written besides is passed over."""
        try:
            if isinstance(record, Mapping):
                return cls._from_parts({name: value for name, value in record.items() if name in _PARTS})
            return cls.parse(record)
        except OptionError:
            return None

    def to_json(self) -> bool | dict[str, Any]:
        """The form it has in a job's record and in the API; `parse` reads it."""
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        parts = {part: value for part, value in named.items() if value != _PLAIN_PARTS[part]}
        if self.fields is not None:
            parts["fields"] = list(self.fields)
        if "states" in parts:
            parts["states"] = [state.value for state in State if state in self.states]
            if _states_of_mode(self.mode) is not None:
                del parts["states"]
        return parts or True

    @property
    def gives_data(self) -> bool:
        """May a job give its data to another one instead of being made?"""
        return self.mode in ("debounce", "replace", "keep_last")

    def check_fields(self, type_name: str, known: Iterable[str]) -> None:
        """Raises OptionError if it chooses a field that payloads of this type do not have."""
        known = tuple(known)
        for name in self.fields or ():
            if name not in known:
                there_are = f"there are {', '.join(known)}" if known else "it has none"
                raise OptionError(f"unique: the payload of {type_name} has no field {name!r}; {there_are}")

    def key_of(self, type_name: str, queue: str, payload: Mapping[str, Any]) -> str:
        """The name of the key of a job with this payload: 24 characters."""
        if self.key is not None:
            compared: object = ["key", self.key]
        elif self.fields is not None:
            compared = ["fields", {name: payload.get(name) for name in self.fields}]
        else:
            compared = ["all", payload]
        whose = [same_name(type_name), queue if self.scope == "queue" else None]
        return b32encode(blake2b(sorted_json([whose, compared]), digest_size=15).digest()).decode().lower()


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """A unique key, and who has it."""

    name: str
    """24 characters, which its jobs tell as `unique_key`"""
    owner: str
    """the id of the job that has it"""
    since: datetime
    until: datetime | None
    """None: as long as its owner is in the states in which it keeps it"""
    follower: str | None
    """the id of the job that waits, blocked, for the end of the owner"""


@dataclass(frozen=True, slots=True)
class KeyPage:
    """Some of the unique keys."""

    keys: tuple[UniqueKey, ...]
    cursor: str | None
    """where to go on; None if these were the last"""


def _checked_key(key: object) -> str:
    if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY:
        raise OptionError(f"unique.key: {key!r} is not a text of 1 to {LONGEST_KEY:,} characters")
    return key


def _checked_fields(names: object) -> tuple[str, ...]:
    if isinstance(names, str | bytes | Mapping) or not isinstance(names, Iterable):
        raise OptionError(f"unique.fields: {names!r} is not a list of names of fields")
    listed = list(names)
    if not 0 < len(listed) <= MOST_FIELDS or not all(isinstance(name, str) for name in listed):
        raise OptionError(f"unique.fields: give 1 to {MOST_FIELDS} names of fields, not {listed!r}")
    return tuple(dict.fromkeys(listed))


def _states_of_mode(mode: Mode) -> frozenset[State] | None:
    """The states that a mode is about; None if that may be chosen."""
    of_modes = {"throttle": frozenset(State), "debounce": UNSTARTED, "keep_last": INCOMPLETE}
    return of_modes.get(mode)


def _checked_states(words: str | Iterable[str] | None, mode: Mode) -> frozenset[State]:
    fixed = _states_of_mode(mode)
    if words is None:
        return INCOMPLETE if fixed is None else fixed
    if fixed is not None:
        raise OptionError(f"unique.states: they are given by the mode {mode}; leave them out")
    try:
        states = frozenset().union(*map(parse_states, [words] if isinstance(words, str) else words))
    except (InvalidRequest, AttributeError, TypeError) as error:
        allowed = ", ".join(State)
        raise OptionError(f"unique.states: {words!r} are not states; there are {allowed}") from error
    if not states & UNSTARTED:
        raise OptionError(
            "unique.states: a job has its key from the start or not at all; name waiting, delayed or blocked too"
        )
    return states


def _checked_period(period: Duration | None, mode: Mode) -> int:
    if period is None:
        if mode in ("throttle", "debounce"):
            raise OptionError(f"unique.period: the mode {mode} needs one, such as 30s")
        return 0
    if mode == "keep_last":
        raise OptionError("unique.period: there is none in the mode keep_last; leave it out")
    return milliseconds(period, name="unique.period", least=1)


_PARTS = {
    "key": "key",
    "fields": "fields",
    "scope": "scope",
    "states": "states",
    "period": "period",
    "period_ms": "period",
    "mode": "mode",
    "on_conflict": "on_conflict",
}
_PLAIN_PARTS: Mapping[str, Any] = {each.name: getattr(Unique(), each.name) for each in fields(Unique)}
