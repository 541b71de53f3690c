"""The fields of a body that asks for something to be done, read one by one; each wrong one is named."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from jobd.domain.calendar import parse_time
from jobd.domain.duration import milliseconds
from jobd.domain.plain_json import named
from jobd.errors import FieldFault, InvalidRequest, OptionError
from jobd.http.enqueue_body import unknown_field

LONGEST_TEXT: Final = 1_000


class Fields:
    """What a body says. Read each field that there may be, then `check`."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body
        self._known: list[str] = []
        self._faults: list[FieldFault] = []

    def text(self, name: str) -> str | None:
        """A text of up to 1,000 characters."""
        value = self._take(name)
        if value is None or (isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT):
            return value
        self._wrong(name, f"this is not a text of 1 to {LONGEST_TEXT:,} characters")
        return None

    def required_text(self, name: str) -> str:
        """A text that has to be there."""
        if self._body.get(name) is None:
            self._wrong(name, "this field is required", "missing")
        return self.text(name) or ""

    def required_whole(self, name: str, least: int, most: int) -> int:
        """A whole number that has to be there."""
        if self._body.get(name) is None:
            self._wrong(name, "this field is required", "missing")
        return self.whole(name, least, most) or 0

    def yes(self, name: str) -> bool:
        """True or false; false if it is not there."""
        value = self._take(name)
        if value is not None and not isinstance(value, bool):
            self._wrong(name, f"this is {named(value)}, neither true nor false")
        return value is True

    def whole(self, name: str, least: int, most: int) -> int | None:
        """A whole number."""
        value = self._take(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and least <= value <= most):
            return value
        self._wrong(name, f"this is not a whole number from {least} to {most:,}")
        return None

    def length_ms(self, name: str) -> int | None:
        """Milliseconds, or a text such as 5m."""
        value = self._take(name)
        try:
            if isinstance(value, int) and not isinstance(value, bool):
                return milliseconds(value / 1_000)
            return None if value is None else milliseconds(str(value))
        except (OptionError, OverflowError):
            self._wrong(name, "this is neither a number of milliseconds nor a text such as 5s, 10m, 1h30m")
            return None

    def until(self, name: str) -> datetime | str | None:
        """A moment, or the length of time to it."""
        value = self._take(name)
        if value is None:
            return None
        try:
            milliseconds(str(value))
            return str(value)
        except OptionError:
            pass
        try:
            return parse_time(value)
        except ValueError as error:
            self._wrong(name, f"{error}; or a length of time such as 2h")
            return None

    def object(self, name: str) -> dict[str, Any] | None:
        """An object of named fields."""
        value = self._take(name)
        if value is None or isinstance(value, dict):
            return value
        self._wrong(name, f"this is {named(value)}, not an object of named fields")
        return None

    def anything(self, name: str) -> Any:
        """Whatever it is."""
        return self._take(name)

    def check_only(self) -> None:
        """Raises InvalidRequest if there was anything wrong with what was read."""
        self._raise(self._faults)

    def check(self) -> None:
        """Raises InvalidRequest if there was anything wrong, or anything else in the body."""
        unknown = [unknown_field(name, self._known) for name in self._body if name not in self._known]
        self._raise([*self._faults, *unknown])

    def _raise(self, faults: list[FieldFault]) -> None:
        if faults:
            raise InvalidRequest("; ".join(f"{fault['pointer']}: {fault['message']}" for fault in faults[:5]), faults)

    def _take(self, name: str) -> Any:
        self._known.append(name)
        return self._body.get(name)

    def _wrong(self, name: str, message: str, code: str = "invalid") -> None:
        self._faults.append(FieldFault(pointer=f"/{name}", code=code, message=message))
