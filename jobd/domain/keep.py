"""How many ended jobs are kept, and how long."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from jobd.domain.duration import milliseconds, spoken
from jobd.errors import OptionError

MOST = 10_000_000
EXAMPLES = '10 (the last ten), "7d" (that long), "1000 for 7d", 0 or "none", "all"'
_TEXT = re.compile(
    r"\s*(?:(?:last\s+)?(?P<count>\d{1,8})(?![\d.]))?\s*(?:\bfor\b|,)?\s*(?P<age>\d[\d.smhdw\s]*[smhdw])?\s*", re.ASCII
)
_FIELDS = frozenset({"count", "age_ms"})


@dataclass(frozen=True, slots=True)
class Keep:
    """The last `count` jobs are kept, and each for `age_ms` milliseconds; None means that this sets no bound."""

    count: int | None = None
    age_ms: int | None = None

    @classmethod
    def parse(cls, value: object, name: str = "keep") -> Keep:
        """From itself, a number of jobs, a length of time, a text of both, or its JSON form. Raises OptionError."""
        if isinstance(value, Keep):
            return value
        try:
            match value:
                case bool():
                    pass
                case int() if 0 <= value <= MOST:
                    return cls(value)
                case timedelta():
                    return cls(age_ms=milliseconds(value))
                case str():
                    return cls._of_text(value)
                case Mapping() if value and value.keys() <= _FIELDS and all(map(_is_bound, value.values())):
                    return cls(value.get("count"), value.get("age_ms"))
        except OptionError:
            pass
        raise OptionError(f"{name}: {value!r} does not say what is kept; use {EXAMPLES}")

    @classmethod
    def _of_text(cls, text: str) -> Keep:
        word = text.strip().lower()
        if word == "all":
            return cls()
        if word in ("none", "nothing"):
            return cls(0)
        found = _TEXT.fullmatch(word)
        if found is None or found["count"] is found["age"] is None:
            raise OptionError("")
        count, age = found["count"], found["age"]
        return cls(int(count) if count else None, milliseconds(age) if age else None)

    def to_json(self) -> dict[str, Any] | str:
        """Its form in the API and in the store."""
        said = {"count": self.count, "age_ms": self.age_ms}
        return {name: bound for name, bound in said.items() if bound is not None} or "all"

    def __str__(self) -> str:
        if self.count is None and self.age_ms is None:
            return "all"
        words = [] if self.count is None else [str(self.count)]
        return " for ".join([*words, *([] if self.age_ms is None else [spoken(self.age_ms)])])


def _is_bound(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)
