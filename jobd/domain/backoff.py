"""How long to wait before the next attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jobd.domain.duration import LONGEST_MS, Duration, milliseconds, spoken
from jobd.errors import OptionError

Kind = Literal["fixed", "exponential"]
_FIELDS = frozenset({"kind", "base_ms", "cap_ms", "jitter"})


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

    @classmethod
    def fixed(cls, delay: Duration, *, jitter: float = 0.0) -> Backoff:
        """The same pause each time. Raises OptionError."""
        base = milliseconds(delay, name="backoff delay")
        return cls("fixed", base, base, _share(jitter))

    @classmethod
    def exponential(cls, base: Duration = "2s", *, cap: Duration = "1h", jitter: float = 0.25) -> Backoff:
        """A pause that doubles: base, 2 x base, 4 x base, … up to `cap`. Raises OptionError."""
        base_ms = milliseconds(base, name="backoff base")
        cap_ms = milliseconds(cap, name="backoff cap")
        if cap_ms < base_ms:
            raise OptionError(f"backoff cap: {spoken(cap_ms)} is less than the base, {spoken(base_ms)}")
        return cls("exponential", base_ms, cap_ms, _share(jitter))

    def delay_ms(self, attempt: int, dice: float) -> int:
        """The pause in milliseconds after `attempt` (1 is the first) has failed; `dice` is random, in [0, 1)."""
        pause = self.base_ms
        if self.kind == "exponential":
            # 2**60 ms is beyond every cap; a larger exponent would only cost time
            pause = min(self.base_ms << min(max(attempt - 1, 0), 60), self.cap_ms)
        return round(pause * (1 - self.jitter * dice))

    def to_json(self) -> dict[str, Any]:
        """The form it has in a job's record and in the API."""
        return {"kind": self.kind, "base_ms": self.base_ms, "cap_ms": self.cap_ms, "jitter": self.jitter}

    @classmethod
    def parse(cls, value: Backoff | Duration | Mapping[str, Any]) -> Backoff:
        """A backoff from itself, from a duration (fixed), or from its JSON form. Raises OptionError."""
        if isinstance(value, Backoff):
            return value
        if not isinstance(value, Mapping):
            return cls.fixed(value)
        if unknown := value.keys() - _FIELDS:
            raise OptionError(
                f"backoff: unknown field {min(map(str, unknown))!r}; there are kind, base_ms, cap_ms, jitter"
            )
        kind = value.get("kind", "exponential")
        if kind not in ("fixed", "exponential"):
            raise OptionError(f"backoff.kind: {kind!r} is neither 'fixed' nor 'exponential'")
        base = _whole_ms(value.get("base_ms", DEFAULT.base_ms), "backoff.base_ms")
        cap = _whole_ms(value.get("cap_ms", max(base, DEFAULT.cap_ms)), "backoff.cap_ms")
        if cap < base:
            raise OptionError(f"backoff.cap_ms: {cap} is less than base_ms, {base}")
        jitter = _share(value.get("jitter", DEFAULT.jitter if kind == "exponential" else 0.0))
        return cls(kind, base, base if kind == "fixed" else cap, jitter)


def _share(jitter: float) -> float:
    if isinstance(jitter, bool) or not isinstance(jitter, int | float) or not 0 <= jitter <= 1:
        raise OptionError(f"backoff jitter: {jitter!r} is not a number from 0 to 1")
    return float(jitter)


def _whole_ms(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LONGEST_MS:
        raise OptionError(f"{name}: {value!r} is not a whole number of milliseconds, from 0 to ten years")
    return value


DEFAULT = Backoff.exponential("2s", cap="1h", jitter=0.25)
