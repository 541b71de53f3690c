"""What `jobd run` says when it is up."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import jobd
from jobd.store_url import StoreUrl, masked

if TYPE_CHECKING:
    from jobd.house import House

_AT_FAILOVER = "; at a failover, what the new master had not been told"


def welcome(house: House) -> None:
    """Prints where to look next, to standard output."""
    settings = house.settings
    lines = [f"jobd {jobd.__version__} is up: {', '.join(house.roles)}"]
    if house.api is not None:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        lines.append(f"  API        http://{host}:{house.api.port}/api/v1/jobs")
    if house.embedded is not None:
        whose = "its own server" if house.embedded.owner else "the server of another jobd"
        lines.append(f"  store      {whose}, data in {settings.data_dir}")
    else:
        lines.append(f"  store      {masked(settings.redis_url or '')}")
    if house.store is not None and house.store.durability is not None:
        kept, lease_s = house.store.durability, settings.worker.lease / 1_000
        lines.append(f"  kept       {kept.words}")
        lines.append(f"  loss       {kept.loss}{_AT_FAILOVER if _fails_over(settings.redis_url) else ''}")
        lines.append(f"  eviction   {kept.eviction}")
        lines.append(
            f"  recovery   the lease is {lease_s:g} s: jobs of a dead worker run again within {lease_s + 10:g} s"
        )
    names = sorted(job_type.name for job_type in house.catalog.types.values())
    lines.append(f"  job types  {', '.join(names) or 'none: install a plugin'}")
    lines.append(f"  Ctrl-C stops; running jobs get {settings.worker.grace / 1_000:g} s to end")
    with suppress(OSError):  # that nobody can read it is no reason to stop
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()


def _fails_over(url: str | None) -> bool:
    return url is not None and StoreUrl.parse(url).kind in ("sentinel", "cluster")
