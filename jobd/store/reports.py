"""What is said of a running job, in the form in which the store keeps it: a line of its log, and how far it is."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from jobd.domain.delivery import Delivery
from jobd.domain.job import LogLine, moment
from jobd.errors import OptionError
from jobd.store.caller import Caller
from jobd.store.facts import members
from jobd.store.intake_words import word

LONGEST_TEXT = 4_096
LONGEST_FIELDS = 4_096
LONGEST_MESSAGE = 1_000
LONGEST_LINE = 12 * LONGEST_TEXT + LONGEST_FIELDS + 256
"""bytes of a line with both, each letter of the text written as it takes most in JSON"""


class Reports(Caller):
    """The part of a shard that is told of running jobs."""

    async def say(self, delivery: Delivery, what: str, words: bytes | int) -> bool:
        """Progress, a log line (`words` are members of JSON) or a heartbeat (`words` is the new deadline, in
        milliseconds from now) of a running job. False if the delivery does not hold it any more."""
        whose = (delivery.id, delivery.holder, delivery.fence)
        if what == "heartbeat":
            return int(await self._run("extend", *whose, words)) == 1
        return int(await self._run("say", *whose, what, words)) == 1

    async def say_from_outside(self, job_id: str, what: str, words: bytes) -> str:
        """As `say`, for the attempt that runs, whoever has it; a log line also for one that is over. 'said', 'missing',
        or the state of a job that has no such attempt."""
        reply = await self._run("say", job_id, "", 0, what, words)
        return "said" if reply == 1 else word(reply)


def log_words(level: str, text: str, packed: bytes) -> bytes:
    """A line of the log; text and fields, which are `packed_fields`, are cut where they are too long."""
    said: dict[str, Any] = {"level": level, "text": _encodable(str(text)[:LONGEST_TEXT])}
    if packed:
        said["fields"] = orjson.Fragment(packed) if len(packed) <= LONGEST_FIELDS else {"cut": len(packed)}
    return members(said)


def unpack_log_lines(lines: Sequence[bytes]) -> list[LogLine]:
    """The log lines of a job."""
    return [
        LogLine(
            at=moment(line["at"]),
            attempt=line["attempt"],
            level=line["level"],
            text=line["text"],
            fields=line.get("fields", {}),
        )
        for line in map(orjson.loads, lines)
    ]


def packed_fields(fields: Mapping[str, Any]) -> tuple[Mapping[str, Any], bytes]:
    """The fields of a line, and their JSON: none if there are none. Nobody fails by what he logs: what has no JSON
    becomes text."""
    try:
        return fields, orjson.dumps(fields, default=repr, option=orjson.OPT_NON_STR_KEYS) if fields else b""
    except (TypeError, RecursionError):
        # too large a number, a half of a character, a circle, an object that cannot even say what it is
        worded = {_encodable(name): _encodable(reprlib.repr(value)) for name, value in fields.items()}
        return worded, orjson.dumps(worded)


def progress_words(done: float, total: float | None, message: str | None) -> bytes:
    """How far a job is. Raises OptionError for what is no finite number."""
    said: dict[str, Any] = {"done": _finite("done", done)}
    if total is not None:
        said["total"] = _finite("total", total)
    if message is not None:
        said["message"] = _encodable(message[:LONGEST_MESSAGE])
    return members(said)


def _finite(name: str, value: float) -> float:
    # whoever reads the job reckons with it
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise OptionError(f"progress: {name} is {value!r}, not a finite number")
    return value


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()
