"""Isolation: whether a handler runs in a process of its own, and what that process may use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobd.domain.duration import milliseconds, spoken
from jobd.domain.size import size_in_bytes, spoken_size
from jobd.errors import OptionError

EXAMPLES = '"process", "process memory=512MB cpu=30s", an object with memory and cpu, or "none"'
LEAST_MEMORY = 1_000_000
_FIELDS = frozenset({"memory", "cpu", "cpu_ms"})
_PART = re.compile(r"(memory|cpu)\s*=\s*([^\s,]+)", re.ASCII)
_WORDS = re.compile(r"(?:process)?(?:[\s,]*(?:memory|cpu)\s*=\s*[^\s,]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Isolation:
    """Each attempt runs in a process of its own, that may take `memory` bytes beyond what it begins with, and `cpu_ms`
    milliseconds of CPU time; None means that this sets no bound."""

    memory: int | None = None
    cpu_ms: int | None = None
    process: bool = True
    """False: the handler runs in its worker, whatever is said below"""

    @classmethod
    def parse(cls, value: object, name: str = "isolation") -> Isolation:
        """From itself, a text, or its JSON form. Raises OptionError."""
        if isinstance(value, Isolation):
            return value
        if isinstance(value, str):
            text = value.strip().lower()
            if text == "none":
                return cls(process=False)
            if text and _WORDS.fullmatch(text):
                return cls._of(dict(_PART.findall(value.strip())), name)
        if isinstance(value, Mapping) and value and value.keys() <= _FIELDS and not {"cpu", "cpu_ms"} <= value.keys():
            return cls._of(value, name)
        raise OptionError(f"{name}: {value!r} does not say how a handler runs; use {EXAMPLES}")

    @classmethod
    def _of(cls, said: Mapping[str, Any], name: str) -> Isolation:
        memory, cpu, cpu_ms = (said.get(field) for field in ("memory", "cpu", "cpu_ms"))
        if isinstance(cpu_ms, int) and not isinstance(cpu_ms, bool):
            cpu = cpu_ms / 1_000
        elif cpu_ms is not None:
            raise OptionError(f"{name}.cpu_ms: {cpu_ms!r} is not a whole number of milliseconds")
        return cls(
            None if memory is None else size_in_bytes(memory, name=f"{name}.memory", least=LEAST_MEMORY),
            None if cpu is None else milliseconds(cpu, name=f"{name}.cpu", least=1),
        )

    def to_json(self) -> dict[str, int] | str:
        """Its form in the API and in the store."""
        if not self.process:
            return "none"
        said = {"memory": self.memory, "cpu_ms": self.cpu_ms}
        return {field: bound for field, bound in said.items() if bound is not None} or "process"

    def __str__(self) -> str:
        if not self.process:
            return "none"
        words = ["process"]
        if self.memory is not None:
            words.append(f"memory={spoken_size(self.memory)}")
        if self.cpu_ms is not None:
            words.append(f"cpu={spoken(self.cpu_ms)}")
        return " ".join(words)
