"""A handler that writes down its number, outside jobd."""

from __future__ import annotations

import os
from functools import cache

import jobd


@cache
def _file() -> int:
    return os.open(os.environ["SOAK_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


@jobd.job("soak")
async def soak(number: int) -> int:
    """Four bytes for each run; appending them is atomic."""
    os.write(_file(), number.to_bytes(4))
    return number


@jobd.hookimpl
def jobd_job_types() -> list[object]:
    """The one above."""
    return [soak]
