"""The one ear of an actor: bounded, and told without waiting."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from anyio import Event
from anyio.lowlevel import checkpoint

M = TypeVar("M")


class MailboxFull(Exception):
    """Raised by `tell` when as many requests are waiting as the mailbox may hold."""


class Wakeup:
    """A message that only says "look again", so that equal ones which wait are one. A subclass is a frozen dataclass.

    It is never refused: the requests in a mailbox are bounded by number, the wake-ups by being different. So keep the
    values a wake-up can have few.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxStatistics:
    """What a mailbox holds now, and what has passed through it since it was made."""

    capacity: int
    """How many requests may wait."""
    waiting: int
    """How many messages wait, wake-ups included."""
    received: int
    """How many messages the reader has taken."""
    merged: int
    """How many wake-ups met an equal one that was waiting."""
    refused: int
    """How many requests met a full mailbox."""


class Mailbox(Generic[M]):
    """Messages in the order they were told, for one reader. All of it belongs to the thread of the event loop."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a mailbox must hold at least one message, not {capacity}")
        self._capacity = capacity
        self._messages: deque[M] = deque()
        self._wakeups: set[Wakeup] = set()
        self._arrival = Event()
        self._idle = Event()
        self._received = self._merged = self._refused = 0

    def tell(self, message: M) -> None:
        """Put a message at the end. A wake-up that is already waiting is nothing new.

        Raises `MailboxFull` if there is no room for a request.
        """
        if isinstance(message, Wakeup):
            if message in self._wakeups:
                self._merged += 1
                return
            self._wakeups.add(message)
        elif len(self._messages) - len(self._wakeups) >= self._capacity:
            self._refused += 1
            raise MailboxFull(f"{self._capacity} requests are waiting; there is no room for another")
        self._messages.append(message)
        self._arrival.set()
        if self._idle.is_set():
            self._idle = Event()

    async def receive(self) -> M:
        """Wait for the next message. To ask for it is to say that the one before has been dealt with."""
        await checkpoint()  # a mailbox that never runs dry must not starve the others
        while not self._messages:
            self._idle.set()
            self._arrival = Event()
            await self._arrival.wait()
        message = self._messages.popleft()
        if isinstance(message, Wakeup):
            self._wakeups.remove(message)
        self._received += 1
        return message

    async def wait_idle(self) -> None:
        """Wait until no message is waiting and the reader has come back for more."""
        while not self._idle.is_set():
            await self._idle.wait()

    def statistics(self) -> MailboxStatistics:
        return MailboxStatistics(
            capacity=self._capacity,
            waiting=len(self._messages),
            received=self._received,
            merged=self._merged,
            refused=self._refused,
        )
