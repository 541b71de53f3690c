"""A kind of values knows how they are read from a program, from JSON and from the words of a command line or the
environment, and what they look like in JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Read = Callable[[Any, str], Any]
"""from a value and the name of the option, for messages; raises OptionError"""


def _unchanged(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of values."""

    metavar: str
    """what stands for a value in the help of a command"""
    parse: Read
    """from what a program or a configuration file says"""
    from_json: Read
    """from what a client of the API says"""
    from_text: Read
    """from a text of the command line or the environment"""
    to_json: Callable[[Any], Any] = _unchanged
    """in the API and in a job's record"""
    from_record: Callable[[Any], Any] = _unchanged
    """from what `to_json` made"""
    unit: str = ""
    """how the name of its field in JSON ends"""
    forgiving: bool = False
    """does `from_record` read whatever stands in a record, wrong or not?"""
    many: Literal["", "words", "fields"] = ""
    """on the command line it is given piece by piece: words, or `key=value`"""
    schema: Mapping[str, Any] = field(default_factory=dict)
    """JSON Schema of what `from_json` takes, for the description of the API; it may allow more"""

    @property
    def reads_any(self) -> bool:
        """Does `from_record` never fail?"""
        return self.forgiving or self.from_record is _unchanged


def text(pattern: str, *examples: str) -> Mapping[str, Any]:
    """The schema of texts of this pattern."""
    return {"type": "string", "pattern": pattern, "examples": list(examples)}


def any_of(*schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of what is one of these."""
    return {"anyOf": list(schemas)}


OBJECT: Mapping[str, Any] = {"type": "object"}
"""the schema of any object"""
