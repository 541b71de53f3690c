"""From settings to a store: the Redis they name, or the embedded server that runs on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobd.errors import StoreRefused
from jobd.store.shard import Retention
from jobd.store.store import Store

if TYPE_CHECKING:
    from jobd.settings import Settings


def reach(url: str | None, settings: Settings) -> Store:
    """The store at `url`, else the one that the settings name, else that of a `jobd run` on this machine. Raises
    SettingsError, and StoreRefused if none of these is there."""
    url = url or settings.redis_url
    if url is None:
        from jobd.store.datadir import running_url

        url = running_url(settings.data_dir)
    if url is None:
        raise StoreRefused(
            f"no Redis is named, and no jobd runs on {settings.data_dir}; start `jobd run`, or name the data directory "
            "of one that runs (--data-dir, JOBD_DATA_DIR), or a Redis (--redis-url, JOBD_REDIS_URL)"
        )
    return Store.at(url, prefix=settings.prefix, retention=retention_of(settings), shards=settings.shards)


def retention_of(settings: Settings) -> Retention:
    """How many ended jobs are kept, and how long."""
    kept = settings.retention
    return Retention(
        completed=kept.completed, failed=kept.failed, completed_ms=kept.completed_age, failed_ms=kept.failed_age
    )
