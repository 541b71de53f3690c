"""What the disk leaves of the rate of one client, where each job is on it before the next one is sent."""

from __future__ import annotations

from tests.bench.contender import Contender
from tests.bench.parts.enqueue import WARM
from tests.bench.parts.part import Bench, Figures, Part, Row

POLICIES = ("off", "always")


def _takes(contender: Contender) -> bool:
    return contender.kind != "peer" and "one" in contender.ways


def _disk(bench: Bench, contender: Contender) -> Figures:
    figures = {}
    for policy in POLICIES:
        with bench.stage(contender, 0, fsync=policy) as stage:
            figures[f"disk_{policy}"] = stage.produce("one", bench.jobs // 20 + WARM, warm=WARM).per_s
    return {**figures, "disk_share": figures["disk_always"] / figures["disk_off"]}


DISK = Part(
    "disk",
    "enqueue one by one with the server's file off and always, jobd and the floors",
    (
        Row("disk_off", "one by one, fsync off", "jobs/s"),
        Row("disk_always", "one by one, fsync always", "jobs/s"),
        Row("disk_share", "… as a share of off", "×"),
    ),
    _takes,
    _disk,
    table="Waiting for the disk",
)
