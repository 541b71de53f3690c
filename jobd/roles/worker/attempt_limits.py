"""The limits of one attempt while it runs: how long it may take and be silent, and when all must be done."""

from __future__ import annotations

from collections.abc import Callable

from jobd import clock
from jobd.domain.delivery import Delivery
from jobd.domain.failure import TimedOut
from jobd.domain.outcome import Ending, ErrorRecord, Outcome
from jobd.roles.worker.deadlines import Deadlines

PAST_DEADLINE = "it was not done when its deadline passed"


class AttemptLimits:
    """Ends an attempt that breaks one of its limits. For one attempt: begin once, end once."""

    def __init__(
        self, delivery: Delivery, deadlines: Deadlines, late: Callable[[Outcome, TimedOut | None], None]
    ) -> None:
        """`late` is called with what the attempt then ended in, and with the error for the rules of its type; with None
        when no rule could help."""
        self._deadlines = deadlines
        self._late = late
        self._numbers: dict[str, int] = {}
        self._ends: dict[str, float] = {}
        self._timeout_ms = delivery.timeout_ms
        limits = delivery.limits
        self.heartbeat_ms = limits.heartbeat_ms if limits else 0
        self._deadline_ms = limits.deadline_ms - delivery.started_ms if limits and limits.deadline_ms else 0.0

    def begin(self, waited_ms: float = 0.0) -> None:
        """From now on. It was handed over `waited_ms` milliseconds ago, which count for its deadline alone."""
        self.extend(self._timeout_ms)
        self.beat()
        if self._deadline_ms:
            self._end("deadline", max(0.0, self._deadline_ms - waited_ms), PAST_DEADLINE, "DeadlineExceeded")

    def extend(self, ms: int) -> None:
        """It may run for so long from now on."""
        if self._timeout_ms:
            said = f"the attempt ran for more than {self._spoken(ms)}"
            self._end("timeout", ms, said, "TimeoutError")

    def beat(self) -> None:
        """It was heard of."""
        if self.heartbeat_ms:
            said = f"the handler was not heard of for more than {self.heartbeat_ms / 1_000:g} s"
            self._end("heartbeat", self.heartbeat_ms, said, "HeartbeatTimeout")

    @property
    def left_ms(self) -> int:
        """How long it may go on if it says nothing more; 0 if for ever."""
        first = min(self._ends.values(), default=None)
        return 0 if first is None else max(1, round((first - clock.monotonic()) * 1_000))

    def end(self) -> None:
        """No more limits."""
        for number in self._numbers.values():
            self._deadlines.drop(number)
        self._numbers.clear()

    def _spoken(self, ms: int) -> str:
        return f"{self._timeout_ms / 1_000:g} s" + ("" if ms == self._timeout_ms else ", and what it was given beside")

    def _end(self, which: str, ms: float, message: str, kind: str) -> None:
        if which in self._numbers:
            self._deadlines.drop(self._numbers[which])
        final = which == "deadline"
        outcome = Outcome(Ending.TIMED_OUT, error=ErrorRecord(type=kind, message=message), reason=message, final=final)
        self._ends[which] = clock.monotonic() + ms / 1_000
        self._numbers[which] = self._deadlines.add(
            ms / 1_000, lambda: self._late(outcome, None if final else TimedOut(message))
        )
