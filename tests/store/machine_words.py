"""What the random moves on a store are made of: who there is, and which jobs they want."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.store.hands import START_MS
from tests.store.limits_model import Limits
from tests.store.model import Order

WORKERS = ["w1", "w2", "named", "solo"]
LINES = {"w1": ("*",), "w2": ("*",), "named": ("a", "b"), "solo": ("!*",), "m1": ("@monitor",), "m2": ("@monitor",)}
IDS = [*"klmnopqr", *(f"01KAN000000000000000000{number:03}" for number in range(8))]
TYPES = {"w1": ("noop",), "w2": ("noop", "odd"), "named": ("odd",), "solo": ("noop", "odd")}
BATCHES = ["one", "two"]

UNIQUE = [
    *("k:s:wdba:0", "k:s!:wdba:0", "k:r:wdb:0", "k:r:wdba:0", "k:k:wdba:0", "k:s:wdbacfxg:2000", "k:s:wdba:2000"),
    *("l:s:wdbaf:0", "l:s:wdb:0", "l:s:d:0", "l:k:wdba:0", "l:k:wdba:0", "l:r:wdba:0"),
]
"""what makes jobs unique, of two keys"""

LIMITS = [Limits(), Limits(), Limits(), Limits(expires=40), Limits(deadline=3_000), Limits(patience=500)]
LIMITS += [Limits(2_000, 8_000, 5_000)]
orders = st.builds(
    Order,
    id=st.sampled_from(IDS),
    queue=st.sampled_from(["a", "a", "b"]),
    priority=st.sampled_from([1, 5, 5, 10]),
    type=st.sampled_from(["noop", "noop", "noop", "odd"]),
    due=st.sampled_from(["", "", "", "+50", "+3000", str(START_MS + 30_000)]),
    payload=st.sampled_from([b"1", b"\x00\xff"]),
    timeout_ms=st.sampled_from([0, 0, 1, 6_000]),
    unique=st.sampled_from(["", "", "", *UNIQUE]),
    limits=st.sampled_from(LIMITS),
)
some_orders = st.lists(orders, min_size=1, max_size=4)
some_ids = st.lists(st.sampled_from(IDS), min_size=1, max_size=3)
workers = st.sampled_from(WORKERS)
members = st.sampled_from([*WORKERS, "m1", "m2"])
