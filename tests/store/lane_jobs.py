"""Jobs of one lane, and what tests ask about them."""

from __future__ import annotations

from collections.abc import Sequence

from jobd.domain.delivery import Delivery
from tests.store.hands import Hands, new_job


async def put(hands: Hands, *ids: str, key: str = "", **options: object) -> None:
    """Enqueues jobs of these ids in one lane."""
    await hands.put(*[new_job(job_id, lane_key=key, **options) for job_id in ids])  # type: ignore[arg-type]  # as given


def names(deliveries: Sequence[Delivery]) -> list[str]:
    """Their ids, in order."""
    return [delivery.id for delivery in deliveries]
