"""Jobs for batches."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from pydantic import BaseModel

import jobd
from tests.roles.parts import PATIENCE_S


class Doc(BaseModel):
    number: int


class Doubled(BaseModel):
    number: int


async def ended(handle: jobd.JobHandle[Any]) -> jobd.Job:
    with suppress(jobd.JobFailed, jobd.JobCancelled):
        await handle.result(PATIENCE_S)
    return await handle.get()


def docs(count: int) -> list[Doc]:
    return [Doc(number=number) for number in range(count)]
