"""All settings, with what holds where nobody says anything."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import isclass
from typing import Annotated, Any, Literal

from platformdirs import user_data_path
from pydantic import BaseModel, BeforeValidator, Field, SecretStr

from jobd.domain.levels import Levels
from jobd.domain.limits import Scope, gate_of
from jobd.domain.queue_options import option_fields
from jobd.settings.queues import DefaultsSettings, QueueSettings
from jobd.settings.section import Section
from jobd.settings.values import Directory, Milliseconds, QueueName, RedisUrl, Words, lower
from jobd.settings.worker import WorkerSettings

DEFAULT_PORT = 8420


class EmbeddedSettings(Section):
    """`[embedded]`: the server that jobd runs by itself when no Redis is named."""

    fsync: Literal["always", "everysec", "no"] = Field(default="always", description="when accepted means on disk")
    max_memory: int = Field(default=0, ge=0, description="bytes; 0: no limit")
    server_bin: Directory | None = Field(default=None, description="another valkey-server or redis-server")


class RetentionSettings(Section):
    """`[retention]`: how many ended jobs a queue keeps, and how long."""

    completed: int = Field(default=10_000, ge=0, description="completed jobs kept per queue")
    failed: int = Field(default=10_000, ge=0, description="failed, and as many cancelled, jobs kept per queue")
    completed_age: Milliseconds = Field(default=24 * 3_600_000, description="completed jobs are kept this long")
    failed_age: Milliseconds = Field(default=30 * 24 * 3_600_000, description="failed and cancelled ones this long")


class HttpSettings(Section):
    """`[http]`: the API."""

    token: SecretStr | None = Field(default=None, description="clients send it as Authorization: Bearer …")
    max_body: int = Field(default=1_048_576, ge=1_024, description="bytes of a request's body at most")


class LogSettings(Section):
    """`[log]`: what the process writes to standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(lower)] = Field(
        default="info", description="the least that is written"
    )
    format: Annotated[Literal["auto", "text", "json"], BeforeValidator(lower)] = Field(
        default="auto", description="auto: text on a terminal, else JSON"
    )


class Settings(Section):
    """All settings of a process."""

    redis_url: RedisUrl | None = Field(default=None, repr=False, description="unset: the embedded server")
    data_dir: Directory = Field(
        default_factory=lambda: user_data_path("jobd", appauthor=False),
        description="what the embedded server keeps; unset: the place of this system for data of programs",
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="the address that the API listens on")
    port: int = Field(default=DEFAULT_PORT, ge=0, le=65_535, description="the port of the API; 0: any free one")
    prefix: str = Field(default="jobd", pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$", description="first word of all keys")
    shards: int = Field(default=1, ge=1, le=256, description="parts of the store; more than one pays in a Cluster")
    without: Words = Field(default=(), description="installed plugins to leave out")
    worker: WorkerSettings = WorkerSettings.model_construct()
    embedded: EmbeddedSettings = EmbeddedSettings.model_construct()
    retention: RetentionSettings = RetentionSettings.model_construct()
    defaults: DefaultsSettings = DefaultsSettings.model_construct()
    queues: dict[QueueName, QueueSettings] = Field(default_factory=dict, description="[queues.<name>] of each queue")
    http: HttpSettings = HttpSettings.model_construct()
    log: LogSettings = LogSettings.model_construct()
    plugins: dict[str, dict[str, Any]] = Field(
        default_factory=dict, repr=False, description="[plugins.<name>] of each plugin"
    )

    @property
    def rules(self) -> dict[str, dict[str, Any]] | None:
        """What is said of queues, for the store: their limits and the options of their jobs, by gates; None if nothing
        is said of queues."""
        if not self.queues:
            return None
        rules = {
            gate_of(Scope.QUEUE, name): {**queue.rule(), **option_fields(queue.options().to_record())}
            for name, queue in self.queues.items()
        }
        return {gate: rule for gate, rule in rules.items() if rule}

    @property
    def spread_queues(self) -> list[str]:
        """The queues that are to be in all shards."""
        return [name for name, queue in self.queues.items() if queue.spread]

    @property
    def levels(self) -> Levels:
        """What holds for jobs where neither they nor their type say anything."""
        return Levels(self.defaults.options(), {name: queue.options() for name, queue in self.queues.items()})


def _paths(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        if isclass(field.annotation) and issubclass(field.annotation, Section):
            yield from _paths(field.annotation, (*above, name))
        else:
            yield (*above, name)


SETTINGS = frozenset(_paths(Settings))
"""the path of each setting: ("port",), ("worker", "grace"), …"""
