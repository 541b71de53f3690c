"""The job types of these tests."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from jobd.catalog import Catalog
from jobd.domain.decorator import job


class Letter(BaseModel):
    model_config = ConfigDict(extra="forbid")

    to: str
    subject: str
    body: str = ""


@job("send-letter", queue="letters", retries=2)
async def send_letter(letter: Letter) -> str:
    """Sends a letter.

    By hand.
    """
    return letter.to


@job("add_up", priority="high", timeout="30s")
async def add_up(a: int, b: int) -> int:
    return a + b


@job("anything")
async def anything(value: object = None) -> object:
    return value


def catalog() -> Catalog:
    return Catalog([send_letter, add_up, anything])
