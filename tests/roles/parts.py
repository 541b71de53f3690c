"""Makes the actors of the roles as `app` does, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobd.catalog import Catalog
from jobd.client import Client
from jobd.roles.membership import Membership
from jobd.roles.worker.crew import Crew
from jobd.roles.worker.engine import Engine
from jobd.settings import Settings
from jobd.store.lease_keeper import LeaseKeeper

PATIENCE_S = 120.0
"""more than anything here takes, on a machine with other work to do"""


class Parts:
    """What the actors share."""

    def __init__(self, settings: Settings, catalog: Catalog, client: Client) -> None:
        self.settings = settings
        self.catalog = catalog
        self.client = client
        self.store = client.store
        self.shard = client.store.shards[0]
        self.reported: list[tuple[str, BaseException]] = []
        self.engines: list[Engine] = []
        self.keeper = self.make_keeper()

    def make_keeper(self) -> LeaseKeeper:
        return LeaseKeeper(self.store.url, "jobd", len(self.store.shards), self.settings.worker.lease)

    def report(self, name: str, error: BaseException) -> None:
        self.reported.append((name, error))

    def membership(self, kind: str = "worker", lines: Sequence[str] = ("*",)) -> Membership:
        lease_ms = self.settings.worker.lease
        return Membership(self.store, 0, kind=kind, lines=lines, lease_ms=lease_ms, keeper=self.keeper)

    def engine(self, *, concurrency: int = 10, threads: int = 4, lines: Sequence[str] = ("*",), **more: Any) -> Engine:
        engine = Engine(
            self.membership(lines=lines),
            self.client,
            self.catalog,
            self.settings.plugins,
            concurrency=concurrency,
            threads=threads,
            **more,
        )
        self.engines.append(engine)
        return engine

    def crew(self, size: int = 1, *, url: str | None = None, **about: Any) -> Crew:
        order: dict[str, Any] = {
            "settings": self.settings.model_dump(mode="json", exclude={"http"}),
            "url": url or self.store.url,
            "shard": self.shard.number,
            "kind": "worker",
            "lines": ["*"],
            "about": {"concurrency": 10, "queues": [], **about},
        }
        solo = order | {"kind": "solo", "lines": ["!*"], "about": {"concurrency": 1, "queues": []}}
        worker = self.settings.worker
        return Crew(
            size,
            order,
            solo,
            shard=self.shard,
            keeper=self.keeper,
            max_loop_block_s=worker.max_loop_block / 1_000,
            grace_s=worker.grace / 1_000,
            max_jobs=worker.max_jobs,
            max_memory=worker.max_memory,
        )
