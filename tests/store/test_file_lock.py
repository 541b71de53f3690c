from __future__ import annotations

import asyncio
from pathlib import Path

import anyio
import pytest

from jobd.errors import EmbeddedServerError
from jobd.store.file_lock import FileLock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def test_only_one_holds_the_lock(path: Path) -> None:
    first, second = FileLock(path), FileLock(path)
    assert first.try_acquire()
    assert not second.try_acquire()
    first.release()
    assert second.try_acquire()
    second.release()


def test_to_take_or_release_it_twice_is_harmless(path: Path) -> None:
    lock = FileLock(path)
    assert lock.try_acquire()
    assert lock.try_acquire()
    lock.release()
    lock.release()
    assert not lock.held


async def test_a_wait_ends_when_the_holder_lets_go(path: Path) -> None:
    first, second = FileLock(path), FileLock(path)
    first.try_acquire()
    waiting = asyncio.create_task(second.acquire())
    await asyncio.sleep(0)
    first.release()
    with anyio.fail_after(10):
        await waiting
    assert second.held
    assert not first.try_acquire()
    second.release()


async def test_a_wait_that_was_cancelled_gives_the_late_lock_back(path: Path) -> None:
    holder, impatient, patient = FileLock(path), FileLock(path), FileLock(path)
    holder.try_acquire()
    waiting = asyncio.create_task(impatient.acquire())
    await asyncio.sleep(0)  # it waits now, in a thread
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    holder.release()
    with anyio.fail_after(10):
        await patient.acquire()
    assert not impatient.held
    patient.release()


async def test_a_lock_that_cannot_be_had_is_an_error_for_people(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "missing" / "lock")
    with pytest.raises(EmbeddedServerError, match=r"cannot lock .*No such file.*JOBD_DATA_DIR"):
        lock.try_acquire()
    with pytest.raises(EmbeddedServerError, match="cannot lock"):
        await lock.acquire()
