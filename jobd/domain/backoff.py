"""How long to wait before the next attempt."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from jobd.domain.duration import LONGEST_MS, Duration, milliseconds, spoken
from jobd.errors import OptionError

Kind = Literal["fixed", "linear", "exponential", "polynomial", "list"]
KINDS: tuple[str, ...] = get_args(Kind)
MOST_DELAYS = 100
MOST_FACTOR, MOST_POWER = 100, 10
PATIENT_ATTEMPTS = 20
"""what the word "patient" says of the number of attempts, where nobody says it beside it"""
_GROWTH = {"exponential": ("factor", 2.0, 1.0, MOST_FACTOR), "polynomial": ("power", 4.0, 0.0, MOST_POWER)}
"""what tells how fast pauses of a kind grow: its name, and what it is usually, at least and at most"""
_FIELDS = ("kind", "base_ms", "factor", "power", "delays_ms", "cap_ms", "jitter")


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pause between attempts: `base_ms` before the second one, then as the kind says, never more than `cap_ms`.

    `jitter` is the share of each pause that is random, 0 to 1: at 0.25 a pause of 8 s lies between 6 s and 8 s, so that
    jobs that failed together do not come back together.
    """

    kind: Kind
    base_ms: int
    cap_ms: int
    jitter: float
    growth: float = 0
    """exponential: each pause is so many times the one before; polynomial: the power of the number of attempts"""
    delays_ms: tuple[int, ...] = ()
    """list: the pauses themselves; the last one repeats"""

    @classmethod
    def fixed(cls, delay: Duration = "2s", *, jitter: float = 0.0) -> Backoff:
        """The same pause each time. Raises OptionError."""
        base = milliseconds(delay, name="backoff delay")
        return cls("fixed", base, base, _share(jitter))

    @classmethod
    def linear(cls, base: Duration = "10s", *, cap: Duration = "1h", jitter: float = 0.25) -> Backoff:
        """A pause that grows by the same step: base, 2 x base, 3 x base, … up to `cap`. Raises OptionError."""
        return cls("linear", *_bounds(base, cap), _share(jitter))

    @classmethod
    def exponential(
        cls, base: Duration = "2s", *, factor: float = 2, cap: Duration = "1h", jitter: float = 0.25
    ) -> Backoff:
        """A pause that multiplies: base, 2 x base, 4 x base, … up to `cap`; by another `factor` (1 to 100) if one is
        given. Raises OptionError."""
        return cls("exponential", *_bounds(base, cap), _share(jitter), _growth("exponential", factor))

    @classmethod
    def polynomial(
        cls, base: Duration = "1s", *, power: float = 4, cap: Duration = "2d", jitter: float = 0.25
    ) -> Backoff:
        """A pause that grows with a power (0 to 10) of the number of attempts: base, 16 x base, 81 x base, … up to
        `cap`. Raises OptionError."""
        return cls("polynomial", *_bounds(base, cap), _share(jitter), _growth("polynomial", power))

    @classmethod
    def delays(cls, *delays: Duration, jitter: float = 0.0) -> Backoff:
        """These pauses, one after the other; the last one repeats. Raises OptionError."""
        return cls._listed([milliseconds(delay, name="backoff delay") for delay in delays], jitter)

    @classmethod
    def _listed(cls, delays: Sequence[int], jitter: float) -> Backoff:
        if not 1 <= len(delays) <= MOST_DELAYS:
            raise OptionError(f"backoff: a list of pauses has 1 to {MOST_DELAYS}, and this has {len(delays)}")
        return cls("list", delays[0], max(delays), _share(jitter), delays_ms=tuple(delays))

    def delay_ms(self, attempt: int, dice: float) -> int:
        """The pause in milliseconds after `attempt` (1 is the first) has failed; `dice` is random, in [0, 1)."""
        pause = min(self._pause(max(attempt, 1)), self.cap_ms)
        return round(pause * (1 - self.jitter * dice))

    def _pause(self, attempt: int) -> float:
        try:
            match self.kind:
                case "fixed":
                    return self.base_ms
                case "linear":
                    return self.base_ms * attempt
                case "exponential":
                    return self.base_ms * self.growth ** (attempt - 1)
                case "polynomial":
                    return self.base_ms * math.pow(attempt, self.growth)
                case "list":
                    return self.delays_ms[min(attempt, len(self.delays_ms)) - 1]
        except OverflowError:  # beyond every cap
            return self.cap_ms

    def to_json(self) -> dict[str, Any]:
        """The form it has in a job's record and in the API."""
        if self.kind == "list":
            return {"kind": "list", "delays_ms": list(self.delays_ms), "jitter": self.jitter}
        told: dict[str, Any] = {"kind": self.kind, "base_ms": self.base_ms}
        if self.kind in _GROWTH:
            name, usual, _, _ = _GROWTH[self.kind]
            if self.growth != usual:
                told[name] = self.growth
        return told | {"cap_ms": self.cap_ms, "jitter": self.jitter}

    @classmethod
    def parse(cls, value: Backoff | Duration | Sequence[Duration] | Mapping[str, Any]) -> Backoff:
        """A backoff from itself, from a word ("patient", or a kind), a duration (fixed), a list of them, or from its
        JSON form. Raises OptionError."""
        if isinstance(value, Backoff):
            return value
        if isinstance(value, str) and value.strip().lower() in WORDS:
            return WORDS[value.strip().lower()]
        if isinstance(value, Mapping):
            return _from_json(value)
        if isinstance(value, Iterable) and not isinstance(value, str):
            return cls.delays(*value)
        if callable(value):
            raise OptionError("backoff: a function is for a job type (@jobd.job), which is there where its jobs run")
        try:
            return cls.fixed(value)
        except OptionError as error:
            raise OptionError(f"{error}, a list of them, or one of {', '.join(WORDS)}") from None


def _from_json(value: Mapping[str, Any]) -> Backoff:
    kind = value.get("kind", "list" if "delays_ms" in value else "exponential")
    if kind not in KINDS:
        raise OptionError(f"backoff.kind: {kind!r} is none of {', '.join(KINDS)}")
    grows = _GROWTH.get(kind)
    known = [name for name in _FIELDS if name not in ("factor", "power", "delays_ms") or (grows and name == grows[0])]
    if kind == "list":
        known = ["kind", "delays_ms", "jitter"]
    if unknown := value.keys() - set(known):
        raise OptionError(f"backoff: unknown field {min(map(str, unknown))!r}; there are {', '.join(known)}")
    usual = WORDS[kind] if kind in WORDS else WORDS["fixed"]
    jitter = _share(value.get("jitter", usual.jitter))
    if kind == "list":
        delays = value.get("delays_ms")
        if not isinstance(delays, list | tuple):
            raise OptionError("backoff.delays_ms: give a list of milliseconds")
        return Backoff._listed([_whole_ms(delay, "backoff.delays_ms") for delay in delays], jitter)
    base = _whole_ms(value.get("base_ms", usual.base_ms), "backoff.base_ms")
    cap = _whole_ms(value.get("cap_ms", max(base, usual.cap_ms)), "backoff.cap_ms")
    if cap < base:
        raise OptionError(f"backoff.cap_ms: {cap} is less than base_ms, {base}")
    growth = _growth(kind, value.get(grows[0], grows[1])) if grows else 0
    return Backoff(cast("Kind", kind), base, base if kind == "fixed" else cap, jitter, growth)


def _bounds(base: Duration, cap: Duration) -> tuple[int, int]:
    base_ms, cap_ms = milliseconds(base, name="backoff base"), milliseconds(cap, name="backoff cap")
    if cap_ms < base_ms:
        raise OptionError(f"backoff cap: {spoken(cap_ms)} is less than the base, {spoken(base_ms)}")
    return base_ms, cap_ms


def _growth(kind: str, value: float) -> float:
    name, _, least, most = _GROWTH[kind]
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise OptionError(f"backoff {name}: {value!r} is not a number from {least:g} to {most}")
    return float(value)


def _share(jitter: float) -> float:
    if isinstance(jitter, bool) or not isinstance(jitter, int | float) or not 0 <= jitter <= 1:
        raise OptionError(f"backoff jitter: {jitter!r} is not a number from 0 to 1")
    return float(jitter)


def _whole_ms(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LONGEST_MS:
        raise OptionError(f"{name}: {value!r} is not a whole number of milliseconds, from 0 to ten years")
    return value


DEFAULT = Backoff.exponential("2s", cap="1h", jitter=0.25)
PATIENT = Backoff.polynomial("1s", power=4, cap="2d", jitter=0.25)
"""n⁴ seconds after the n-th attempt: 20 attempts within almost five to six and a half days"""
WORDS: Mapping[str, Backoff] = {
    "fixed": Backoff.fixed(),
    "linear": Backoff.linear(),
    "exponential": DEFAULT,
    "polynomial": Backoff.polynomial(),
    "patient": PATIENT,
}
"""what one word says"""
