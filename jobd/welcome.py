"""What `jobd run` says when it is up."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import jobd
from jobd.store_url import masked

if TYPE_CHECKING:
    from jobd.app import House


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
    names = sorted(job_type.name for job_type in house.catalog.types.values())
    lines.append(f"  job types  {', '.join(names) or 'none: install a plugin'}")
    lines.append(f"  Ctrl-C stops; running jobs get {settings.worker.grace / 1_000:g} s to end")
    with suppress(OSError):  # that nobody can read it is no reason to stop
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
