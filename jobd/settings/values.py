"""The kinds of values that settings have, each as people write it and as it is held."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

from jobd.domain.duration import milliseconds
from jobd.domain.names import check_queue_name
from jobd.domain.queue_order import weighted
from jobd.domain.size import size_in_bytes
from jobd.errors import OptionError
from jobd.store_url import StoreUrl


def _duration_ms(value: Any, *, least: int = 0) -> int:
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str) and text.replace(".", "", 1).isdecimal():
        text = float(text)
    try:
        return milliseconds(text, name="this", least=least)
    except OptionError as error:
        raise ValueError(str(error).removeprefix("this: ")) from None


def _bytes(value: Any) -> int:
    try:
        return size_in_bytes(int(value) if isinstance(value, str) and value.isdecimal() else value, name="this")
    except OptionError as error:
        raise ValueError(str(error).removeprefix("this: ")) from None


def _words(value: object) -> object:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _queue_name(name: str) -> str:
    try:
        return check_queue_name(name)
    except OptionError as error:
        raise ValueError(str(error).removeprefix("queue: ")) from None


def _weighted_name(word: str) -> str:
    try:
        weighted(word)
    except OptionError as error:
        raise ValueError(str(error).removeprefix("queue: ")) from None
    return word


def lower(value: object) -> object:
    """Words are taken in capitals too."""
    return value.strip().lower() if isinstance(value, str) else value


def _redis_url(url: str) -> str:
    StoreUrl.parse(url)
    return url


_IN_MS = PlainSerializer(lambda ms: f"{ms}ms", return_type=str)
Milliseconds = Annotated[int, BeforeValidator(_duration_ms), _IN_MS]
"""given as "25s", "5m" or seconds; held in milliseconds"""
Patience = Annotated[int, BeforeValidator(partial(_duration_ms, least=1_000)), _IN_MS]
"""the same, a second at least"""
Size = Annotated[int, BeforeValidator(_bytes)]
"""given as "512MB", "2GiB" or a number of bytes"""
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
QueueName = Annotated[str, AfterValidator(_queue_name)]
Queues = Annotated[tuple[Annotated[str, AfterValidator(_weighted_name)], ...], BeforeValidator(_words)]
RedisUrl = Annotated[str, AfterValidator(_redis_url)]
Directory = Annotated[Path, AfterValidator(Path.expanduser)]
