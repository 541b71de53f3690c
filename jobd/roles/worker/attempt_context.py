"""Runs a coroutine in a context of its own, within the task that awaits it."""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")


@types.coroutine
def within(context: Context, coroutine: Coroutine[Any, Any, T], waits_for: Any) -> Generator[Any, Any, T]:
    """Awaits `coroutine`, whose first step `context.run(coroutine.send, None)` has returned `waits_for`. The context
    variables that it sets are those of `context`: what one job says about itself (tenant, trace, language) is not there
    for the next job of the same slot. As a task of its own would do it, at a tenth of the price."""
    step: Any
    value: Any
    while True:
        try:
            value = yield waits_for
            step = coroutine.send
        except BaseException as error:  # noqa: BLE001  whatever comes is for the coroutine
            step, value = coroutine.throw, error
        try:
            waits_for = context.run(step, value)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]  # a StopIteration does not know its type
