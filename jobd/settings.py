"""Every setting: defaults < configuration file (TOML) < environment < flags. Checked whole at start.

A setting `worker.grace` is `grace` under `[worker]` in the file and `JOBD_WORKER__GRACE` in the environment.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from inspect import isclass
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_data_path
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from jobd.domain.duration import milliseconds
from jobd.domain.levels import Levels
from jobd.domain.limits import Scope, gate_of
from jobd.domain.names import check_queue_name
from jobd.domain.queue_options import option_fields
from jobd.domain.queue_order import Order, QueueOrder, weighted
from jobd.domain.size import size_in_bytes
from jobd.environment import Environment, Given
from jobd.errors import OptionError, SettingsError
from jobd.sections import DefaultsSettings, QueueSettings, Section
from jobd.store_url import StoreUrl

DEFAULT_PORT = 8420


def _duration_ms(value: Any, *, least: int = 0) -> int:
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str) and text.replace(".", "", 1).isdecimal():
        text = float(text)
    try:
        return milliseconds(text, name="this", least=least)
    except OptionError as error:
        raise ValueError(str(error).removeprefix("this: ")) from None


def _bytes(value: Any) -> int:
    try:
        return size_in_bytes(int(value) if isinstance(value, str) and value.isdecimal() else value, name="this")
    except OptionError as error:
        raise ValueError(str(error).removeprefix("this: ")) from None


def _words(value: object) -> object:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _queue_name(name: str) -> str:
    try:
        return check_queue_name(name)
    except OptionError as error:
        raise ValueError(str(error).removeprefix("queue: ")) from None


def _weighted_name(word: str) -> str:
    try:
        weighted(word)
    except OptionError as error:
        raise ValueError(str(error).removeprefix("queue: ")) from None
    return word


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _redis_url(url: str) -> str:
    StoreUrl.parse(url)
    return url


_IN_MS = PlainSerializer(lambda ms: f"{ms}ms", return_type=str)
Milliseconds = Annotated[int, BeforeValidator(_duration_ms), _IN_MS]
"""given as "25s", "5m" or seconds; held in milliseconds"""
Patience = Annotated[int, BeforeValidator(partial(_duration_ms, least=1_000)), _IN_MS]
"""the same, a second at least"""
Size = Annotated[int, BeforeValidator(_bytes)]
"""given as "512MB", "2GiB" or a number of bytes"""
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
QueueName = Annotated[str, AfterValidator(_queue_name)]
Queues = Annotated[tuple[Annotated[str, AfterValidator(_weighted_name)], ...], BeforeValidator(_words)]
RedisUrl = Annotated[str, AfterValidator(_redis_url)]
Directory = Annotated[Path, AfterValidator(Path.expanduser)]


class WorkerSettings(Section):
    """`[worker]`: how jobs are run."""

    processes: Annotated[int, Field(ge=0, le=1_000)] | Literal["auto"] = Field(
        default=1, description="worker processes; 0: in the main one; auto: cores"
    )
    concurrency: int = Field(default=50, ge=1, le=10_000, description="jobs at a time in one process")
    threads: int = Field(default=50, ge=1, le=1_000, description="of these, sync handlers at a time")
    queues: Queues = Field(default=(), description="queues to serve, as names or name=weight; none named: all")
    queue_order: Annotated[Order, BeforeValidator(_lower)] = Field(
        default=Order.PRIORITY, validate_default=True, description="how these follow each other"
    )
    lease: Patience = Field(default=20_000, description="how long a silent process keeps its jobs")
    grace: Milliseconds = Field(default=25_000, description="how long running jobs may take to end at shutdown")
    isolated_environment: Words = Field(
        default=(), description="variables that handlers in processes of their own are given; APP_* stands for many"
    )
    max_jobs: int = Field(default=0, ge=0, description="a process gives way to another after so many; 0: never")
    max_memory: Size = Field(default=0, description="or when it has more than that, such as 1GB; 0: never")
    max_loop_block: Patience = Field(default=300_000, description="a process that hangs longer is killed")

    @field_validator("max_jobs", "max_memory")
    @classmethod
    def _can_be_relieved(cls, most: int, others: ValidationInfo) -> int:
        if most and others.data.get("processes") == 0:
            raise ValueError("with processes = 0 there is nobody who could put another process in place of this one")
        return most

    @field_validator("queue_order")
    @classmethod
    def _fits_queues(cls, order: Order, others: ValidationInfo) -> Order:
        if (queues := others.data.get("queues")) is None:
            return order  # they are wrong themselves, which is said
        names = [weighted(word)[0] for word in queues]
        if order is not Order.PRIORITY and not names:
            raise ValueError(f"{order.value!r} is an order of queues that are named; name them in worker.queues")
        if order is not Order.PRIORITY and (twice := next((name for name in names if names.count(name) > 1), None)):
            raise ValueError(f"worker.queues names {twice!r} twice, so its place in the order is not clear")
        if order is not Order.WEIGHTED and (heavy := next((word for word in queues if "=" in word), None)):
            raise ValueError(f"worker.queues has a weight, {heavy!r}, and weights are for the order 'weighted'")
        return order

    @property
    def queue_names(self) -> list[str]:
        """The queues to serve, without their weights; none: all."""
        return list(dict.fromkeys(weighted(word)[0] for word in self.queues))

    def order_of(self, dice: Callable[[], float], *, mark: str = "") -> QueueOrder:
        """A new QueueOrder of these queues."""
        return QueueOrder(self.queue_order, self.queues, dice, mark=mark)


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

    level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = Field(
        default="info", description="the least that is written"
    )
    format: Annotated[Literal["auto", "text", "json"], BeforeValidator(_lower)] = Field(
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


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    config: Path | None = None,
) -> Settings:
    """The settings of this process. `flags` is nested as the settings are; `environment` defaults to that of the
    process and `.env`; `config` to JOBD_CONFIG, else `jobd.toml` in the working directory if there is one.
    Raises SettingsError naming each wrong setting and where it came from."""
    outside = Environment.of_process() if environment is None else Environment(environment)
    if config is None and (path := outside.get("JOBD_CONFIG")):
        config = Path(path).expanduser()
    given = [
        *_flat(_file(config), str(config or _USUAL_FILE)),
        *outside.foreign(),
        *outside.own(SETTINGS),
        *_flat(flags or {}, "the command line"),
    ]
    try:
        return Settings.model_validate(_nested(given))
    except ValidationError as error:
        raise SettingsError("\n".join(_explained(error, given))) from None


def _paths(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        if isclass(field.annotation) and issubclass(field.annotation, Section):
            yield from _paths(field.annotation, (*above, name))
        else:
            yield (*above, name)


SETTINGS = frozenset(_paths(Settings))
"""the path of each setting: ("port",), ("worker", "grace"), …"""
_OPEN = frozenset({("plugins",), ("queues",)})
"""sections of sections, whose names are for others to choose"""
_USUAL_FILE = Path("jobd.toml")


def _file(path: Path | None) -> dict[str, Any]:
    if path is None and not _USUAL_FILE.is_file():
        return {}
    path = path or _USUAL_FILE
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: the configuration file cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: this is not TOML: {error}") from error


def _flat(values: Mapping[str, Any], origin: str, above: tuple[str, ...] = ()) -> Iterator[Given]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, origin, (*above, name))
        else:
            yield Given((*above, name), value, origin)


def _nested(given: Iterable[Given]) -> dict[str, Any]:
    """What was given, the later over the earlier."""
    whole: dict[str, Any] = {}
    for item in given:
        here = whole
        for name in item.path[:-1]:
            if not isinstance(here.get(name), dict):
                here[name] = {}
            here = here[name]
        here[item.path[-1]] = item.value
    return whole


# --- what is wrong with it ---------------------------------------------------------------------------------------


def _explained(error: ValidationError, given: list[Given]) -> list[str]:
    """A line for each wrong setting."""
    faults: dict[tuple[str, ...], list[str]] = {}
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        place = _place(fault["loc"])
        sentence = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            sentence = f"there is no such setting{_meant(place)}"
        elif fault["type"] == "model_type":
            sentence = "this is a section, which has settings of its own"
        faults.setdefault(place, []).append(sentence)
    return [
        f"{'.'.join(place)} (from {_origin(place, given)}): {'; or: '.join(sentences)}"
        for place, sentences in faults.items()
    ]


def _place(location: tuple[int | str, ...]) -> tuple[str, ...]:
    """The setting at a place that pydantic names, without the branches of unions below it."""
    path = tuple(map(str, location))
    return next((path[:length] for length in range(1, len(path)) if path[:length] in SETTINGS - _OPEN), path)


def _meant(path: tuple[str, ...]) -> str:
    if path[0] == "queues":
        known = {".".join((*path[:2], name)) for name in QueueSettings.model_fields}
    else:
        known = {".".join(path[:length]) for path in SETTINGS for length in (1, 2)}
    near = difflib.get_close_matches(".".join(path), sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _origin(place: tuple[str, ...], given: list[Given]) -> str:
    """Where the value at a place came from: the last that was given there, above, or below."""
    for item in reversed(given):
        shared = min(len(item.path), len(place))
        if item.path[:shared] == place[:shared]:
            return item.origin
    return "the defaults"
