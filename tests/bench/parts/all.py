"""Every part, in the order of the table."""

from __future__ import annotations

from tests.bench.parts.drain import DRAIN, TWO
from tests.bench.parts.enqueue import ENQUEUE, MEMORY
from tests.bench.parts.latency import LATENCY

PARTS = (DRAIN, TWO, ENQUEUE, LATENCY, MEMORY)
