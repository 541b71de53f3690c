"""Deliveries that are to be cancelled and have not come yet."""

from __future__ import annotations

from jobd.roles.worker.running import Key

MOST = 1_000


class EarlyCancels(set[Key]):
    """Up to 1 000 of them; most of those that never come are of another life."""

    def add(self, key: Key) -> None:
        """One more."""
        if len(self) >= MOST:
            self.clear()
        super().add(key)
