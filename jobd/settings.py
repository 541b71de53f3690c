"""Every setting: defaults < configuration file (TOML) < environment < flags. Checked whole at start.

A setting `worker.grace` is `grace` under `[worker]` in the file and `JOBD_WORKER__GRACE` in the environment. The names
that other job systems use (REDIS_URL, QUEUE_MAX_CONCURRENCY, …) are understood too; jobd's own win. `.env` in the
working directory is read like the environment, which wins over it.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from dotenv import dotenv_values
from platformdirs import user_data_path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, SecretStr, ValidationError

from jobd.domain.duration import milliseconds
from jobd.errors import SettingsError

DEFAULT_PORT = 8420


def _duration_ms(value: object) -> int:
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str) and text.replace(".", "", 1).isdigit():
        text = float(text)
    return milliseconds(text)  # type: ignore[arg-type]  # what is not a duration is refused there


def _words(value: object) -> object:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


Milliseconds = Annotated[int, BeforeValidator(_duration_ms), PlainSerializer(lambda ms: f"{ms}ms", return_type=str)]
"""given as "25s", "5m" or seconds; held in milliseconds"""
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]


class Section(BaseModel):
    """A part of the settings; names that do not exist are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WorkerSettings(Section):
    """`[worker]`: how jobs are run."""

    processes: int | Literal["auto"] = Field(default=1, description="worker processes; 0: in the main one; auto: cores")
    concurrency: int = Field(default=50, ge=1, le=10_000, description="jobs at a time in one process")
    threads: int = Field(default=10, ge=1, le=1_000, description="of these, sync handlers at a time")
    queues: Words = Field(default=(), description="queues to serve; none named: all")
    lease: Milliseconds = Field(default=20_000, ge=1_000, description="how long a silent process keeps its jobs")
    grace: Milliseconds = Field(default=25_000, description="how long running jobs may take to end at shutdown")
    max_loop_block: Milliseconds = Field(default=300_000, description="a process that hangs longer is killed")


class EmbeddedSettings(Section):
    """`[embedded]`: the server that jobd runs by itself when no Redis is named."""

    fsync: Literal["always", "everysec", "no"] = Field(default="always", description="when accepted means on disk")
    max_memory: int = Field(default=0, ge=0, description="bytes; 0: no limit")
    server_bin: Path | None = Field(default=None, description="another valkey-server or redis-server")


class RetentionSettings(Section):
    """`[retention]`: how many ended jobs a queue keeps, and how long."""

    completed: int = Field(default=10_000, ge=0, description="completed jobs kept per queue")
    failed: int = Field(default=10_000, ge=0, description="failed, and as many cancelled, jobs kept per queue")
    completed_age: Milliseconds = Field(default=24 * 3_600_000, description="completed jobs are kept this long")
    failed_age: Milliseconds = Field(default=30 * 24 * 3_600_000, description="failed and cancelled ones this long")


class DefaultsSettings(Section):
    """`[defaults]`: what holds for jobs where neither their type nor they themselves say anything."""

    retries: int = Field(default=3, ge=0, le=999, description="3 means up to 4 attempts")


class HttpSettings(Section):
    """`[http]`: the API."""

    token: SecretStr | None = Field(default=None, description="clients send it as Authorization: Bearer …")
    max_body: int = Field(default=1_048_576, ge=1_024, description="bytes of a request's body at most")


class LogSettings(Section):
    """`[log]`: what the process writes to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "text", "json"] = Field(default="auto", description="auto: text on a terminal, else JSON")


class Settings(Section):
    """All settings of a process."""

    redis_url: str | None = Field(default=None, description="unset: the embedded server")
    database_url: str | None = Field(default=None, description="unset: SQLite in the data directory")
    data_dir: Path = Field(default_factory=lambda: user_data_path("jobd", appauthor=False))
    host: str = "127.0.0.1"
    port: int = Field(default=DEFAULT_PORT, ge=0, le=65_535, description="0: any free one")
    prefix: str = Field(default="jobd", pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$", description="first word of all keys")
    without: Words = Field(default=(), description="installed plugins to leave out")
    worker: WorkerSettings = WorkerSettings()
    embedded: EmbeddedSettings = EmbeddedSettings()
    retention: RetentionSettings = RetentionSettings()
    defaults: DefaultsSettings = DefaultsSettings()
    http: HttpSettings = HttpSettings()
    log: LogSettings = LogSettings()
    plugins: dict[str, dict[str, Any]] = Field(default_factory=dict, description="[plugins.<name>] of each plugin")


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    config: Path | None = None,
) -> Settings:
    """The settings of this process. `flags` is nested as the settings are; `environment` defaults to that of the
    process and `.env`; `config` to JOBD_CONFIG, else `jobd.toml` in the working directory if there is one.
    Raises SettingsError naming each wrong setting and where it came from."""
    given = _environment() if environment is None else environment
    path = config or (Path(given["JOBD_CONFIG"]) if given.get("JOBD_CONFIG") else None)
    layers = [
        (str(path or "jobd.toml"), _file(path)),
        ("the environment", _foreign_names(given)),
        ("the environment", _own_names(given)),
        ("the command line", flags or {}),
    ]
    merged: dict[str, Any] = {}
    for _, layer in layers:
        _merge(merged, layer)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError("\n".join(_explained(error, layers))) from None


def _environment() -> dict[str, str]:
    named = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    return {**named, **os.environ}


def _file(path: Path | None) -> dict[str, Any]:
    if path is None and not Path("jobd.toml").is_file():
        return {}
    path = path or Path("jobd.toml")
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise SettingsError(f"{path}: the configuration file cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: this is not TOML: {error}") from error


def _own_names(environment: Mapping[str, str]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in environment.items():
        if name.startswith("JOBD_") and name not in ("JOBD_CONFIG", "JOBD_TOKEN") and value != "":
            *sections, last = name.removeprefix("JOBD_").lower().split("__")
            if not sections and last not in Settings.model_fields:
                continue  # JOBD_ is a common prefix; single words that are no setting may belong to a plugin or a script
            here = nested
            for section in sections:
                here = here.setdefault(section, {})
            here[last] = value
    if environment.get("JOBD_TOKEN"):
        nested.setdefault("http", {}).setdefault("token", environment["JOBD_TOKEN"])
    return nested


def _foreign_names(environment: Mapping[str, str]) -> dict[str, Any]:
    """The names that users of other systems have in their environment (requirements 6.4)."""
    nested: dict[str, Any] = {}
    if any(environment.get(name) for name in ("REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_DB")):
        nested["redis_url"] = environment.get("REDIS_URL") or _url_of_parts(environment)
    for name, section, setting in (
        ("WORKER_COUNT", "worker", "processes"),
        ("QUEUE_MAX_CONCURRENCY", "worker", "concurrency"),
        ("QUEUE_REMOVE_ON_SUCCESS", "retention", "completed"),
        ("QUEUE_REMOVE_ON_FAILURE", "retention", "failed"),
        ("QUEUE_DEFAULT_RETRIES", "defaults", "retries"),
    ):
        if environment.get(name):
            nested.setdefault(section, {})[setting] = environment[name]
    return nested


def _url_of_parts(environment: Mapping[str, str]) -> str:
    host = environment.get("REDIS_HOST") or "localhost"
    port = environment.get("REDIS_PORT") or "6379"
    database = environment.get("REDIS_DB") or "0"
    password = environment.get("REDIS_PASSWORD")
    secret = f":{quote(password, safe='')}@" if password else ""
    return f"redis://{secret}{host}:{port}/{database}"


def _merge(into: dict[str, Any], layer: Mapping[str, Any]) -> None:
    for name, value in layer.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = dict(value) if isinstance(value, Mapping) else value


def _explained(error: ValidationError, layers: list[tuple[str, Mapping[str, Any]]]) -> list[str]:
    lines = []
    for fault in error.errors(include_url=False, include_context=False):
        path = [str(part) for part in fault["loc"]]
        origin = next((source for source, layer in reversed(layers) if _holds(layer, path)), "the defaults")
        sentence = "there is no such setting" if fault["type"] == "extra_forbidden" else fault["msg"]
        line = f"{'.'.join(path)} (from {origin}): {sentence.removeprefix('Value error, ')}"
        if line not in lines:
            lines.append(line)
    return lines


def _holds(layer: Mapping[str, Any], path: list[str]) -> bool:
    here: Any = layer
    for part in path:
        if not isinstance(here, Mapping) or part not in here:
            return here is not layer and not isinstance(here, Mapping)
        here = here[part]
    return True
