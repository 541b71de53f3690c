"""What it costs to have jobs on disk: the same rates with a server that writes each second, and with each command."""

from __future__ import annotations

from tests.bench.contender import Contender
from tests.bench.parts.drain import drain
from tests.bench.parts.enqueue import WARM
from tests.bench.parts.part import Bench, Figures, Part, Row, only_jobd

POLICIES = ("off", "everysec", "always")


def _durability(bench: Bench, contender: Contender) -> Figures:
    figures = {}
    for policy in POLICIES:
        drained = drain(bench, contender, "one", bench.jobs, fsync=policy)
        figures[f"{policy}_drain"] = drained["drain"]
        figures[f"{policy}_cpu_us"] = drained["drain_cpu_us"]
        for way, jobs in {"one": bench.jobs // 20, "bulk": bench.jobs}.items():
            with bench.stage(contender, 0, fsync=policy) as stage:
                before = stage.cpu_us()
                figures[f"{policy}_{way}"] = stage.produce(way, jobs + WARM, warm=WARM).per_s
                if way == "bulk":
                    figures[f"{policy}_cpu_us"] += (stage.cpu_us() - before) / (jobs + WARM)
    for policy in POLICIES[1:]:
        for row in ("drain", "one", "bulk"):
            figures[f"{policy}_{row}_share"] = figures[f"{policy}_{row}"] / figures[f"off_{row}"]
    return figures


def _rows() -> tuple[Row, ...]:
    titles = {"drain": "drain", "one": "enqueue one by one", "bulk": "enqueue bulk"}
    rows = []
    for policy in POLICIES:
        for row, title in titles.items():
            rows.append(Row(f"{policy}_{row}", f"fsync {policy}: {title}", "jobs/s"))
            if policy != "off":
                rows.append(Row(f"{policy}_{row}_share", "… as a share of off", "×"))
        rows.append(Row(f"{policy}_cpu_us", f"fsync {policy}: server CPU for a job, whole", "µs", more_is_better=False))
    return tuple(rows)


DURABILITY = Part(
    "fsync", "drain and enqueue with the server's file off, everysec and always", _rows(), only_jobd, _durability
)
