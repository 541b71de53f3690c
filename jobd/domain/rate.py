"""Rates: how many jobs may start in a time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from jobd.domain.duration import LONGEST_MS, Duration, milliseconds, spoken
from jobd.errors import OptionError

MOST = 100_000
EXAMPLES = "100/1m (at most 100 starts in any minute) or 100/1m/20 (100 a minute on average, at most 20 at once)"
_TEXT = re.compile(r"\s*(\d+)\s*/\s*([^/]+?)\s*(?:/\s*(\d+)\s*)?", re.ASCII)
_FIELDS = frozenset({"count", "per_ms", "burst"})


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` starts in any `per_ms` milliseconds, exactly: a sliding window. With a `burst` it is a token
    bucket of that size instead, which fills at this rate: so many may start at once, and `count` in the time on
    average."""

    count: int
    per_ms: int
    burst: int | None = None

    @classmethod
    def of(cls, count: int, per: Duration, *, burst: int | None = None) -> Self:
        """`count` starts in each time of length `per`. Raises OptionError."""
        for name, value in (("count", count), ("burst", burst)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST):
                raise OptionError(f"rate: {name} is {value!r} and must be a whole number from 1 to {MOST:,}")
        return cls(count, milliseconds(per, name="rate", least=10), burst)

    @classmethod
    def parse(cls, value: object, name: str = "rate") -> Rate:
        """A rate from itself, from a text such as "100/1m", or from its JSON form. Raises OptionError."""
        if isinstance(value, Rate):
            return value
        try:
            if isinstance(value, str) and (found := _TEXT.fullmatch(value)):
                count, per, burst = found.groups()
                return cls.of(int(count), per, burst=int(burst) if burst else None)
            if isinstance(value, Mapping) and {"count", "per_ms"} <= value.keys() <= _FIELDS:
                per_ms = value["per_ms"]
                if isinstance(per_ms, int) and not isinstance(per_ms, bool) and per_ms <= LONGEST_MS:
                    return cls.of(value["count"], per_ms / 1_000, burst=value.get("burst"))
        except OptionError as error:
            raise OptionError(f"{name}: {str(error).removeprefix('rate: ')}") from None
        raise OptionError(f"{name}: {value!r} is not a rate; use {EXAMPLES}")

    def to_json(self) -> dict[str, Any]:
        """Its form in the API."""
        return {"count": self.count, "per_ms": self.per_ms} | ({"burst": self.burst} if self.burst else {})

    def to_rule(self) -> dict[str, int]:
        """Its form in the rules of the store (lua/lib/rules.lua)."""
        return {"n": self.count, "ms": self.per_ms} | ({"burst": self.burst} if self.burst else {})

    @property
    def short(self) -> str:
        """Its form in the key of a lane (lua/lib/gates.lua)."""
        return f"{self.count}/{self.per_ms}" + (f"/{self.burst}" if self.burst else "")

    def __str__(self) -> str:
        return f"{self.count}/{spoken(self.per_ms)}" + (f"/{self.burst}" if self.burst else "")
