"""Every part, in the order of the table."""

from __future__ import annotations

from tests.bench.parts.api import API
from tests.bench.parts.backlog import BACKLOG, DELAYED
from tests.bench.parts.commands import COMMANDS
from tests.bench.parts.disk import DISK
from tests.bench.parts.drain import DRAIN, TWO
from tests.bench.parts.durability import DURABILITY
from tests.bench.parts.enqueue import ENQUEUE, MEMORY
from tests.bench.parts.features import FEATURES_PART
from tests.bench.parts.footprint import FOOTPRINT, START
from tests.bench.parts.handlers import SLEEP, THREADS
from tests.bench.parts.latency import LATENCY

PARTS = (
    DRAIN,
    TWO,
    THREADS,
    ENQUEUE,
    LATENCY,
    MEMORY,
    COMMANDS,
    FOOTPRINT,
    API,
    START,
    SLEEP,
    FEATURES_PART,
    BACKLOG,
    DELAYED,
    DURABILITY,
    DISK,
)
