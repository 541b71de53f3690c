"""Threads for sync handlers: no more than are needed, each for one call at a time."""

from __future__ import annotations

import asyncio
import threading

from jobd.roles.worker.threads import Threads
from tests.roles.parts import PATIENCE_S


async def test_a_call_that_comes_when_another_has_ended_runs_in_the_same_thread() -> None:
    threads = Threads(4)
    for _ in range(3):
        assert await threads.wait_free(0)
        await threads.start(lambda: None)
    assert len(threads._threads) == 1
    threads.close()


async def test_whose_call_is_given_up_keeps_nobody_from_their_results_and_gives_the_thread_back() -> None:
    threads, go_on = Threads(2), threading.Event()
    lost: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, said: lost.append(said["message"]))
    for _ in range(2):
        assert await threads.wait_free(0)
    given_up, kept = threads.start(go_on.wait), threads.start(go_on.wait)
    assert threads.all_taken
    assert not await asyncio.wait_for(threads.wait_free(0), PATIENCE_S)
    given_up.cancel()
    go_on.set()
    assert await asyncio.wait_for(kept, PATIENCE_S) == (True, None)
    assert await threads.wait_free(1)
    assert await threads.wait_free(1)
    assert lost == []
    threads.close()


async def test_an_error_is_handed_over_like_a_result() -> None:
    threads, error = Threads(1), SystemExit("a handler's")

    def leave() -> None:
        raise error

    assert await threads.wait_free(0)
    assert await threads.start(leave) == (None, error)
    threads.close()
