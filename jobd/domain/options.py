"""What a job may be asked for beside its payload. Each option is declared once, as a field of `Options` below: how it
is read, what it is, and who may say it. Decorator, configuration, Python, HTTP, command line and records follow from
that.

What a job says itself wins over its type, that over its queue, and that over the defaults.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from enum import Enum
from operator import attrgetter
from typing import Any, Literal, Self, Unpack

from jobd.domain import priority as priorities
from jobd.domain.backoff import DEFAULT as DEFAULT_BACKOFF
from jobd.domain.backoff import PATIENT, PATIENT_ATTEMPTS, WORDS, Backoff
from jobd.domain.isolation import Isolation
from jobd.domain.keep import Keep
from jobd.domain.keywords import Durability, JobOptions
from jobd.domain.kinds.kind import Kind
from jobd.domain.kinds.lists import FACTS, TAGS
from jobd.domain.kinds.rules import BACKOFF, ISOLATION, KEEP, RATE, UNIQUE
from jobd.domain.kinds.times import MOMENT, WHEN, duration
from jobd.domain.kinds.words import KEY, PRIORITY, QUEUE_NAME, YES, one_of, whole
from jobd.domain.rate import Rate
from jobd.domain.unique import Unique
from jobd.domain.when import When
from jobd.errors import OptionError

DEFAULT_QUEUE = "default"
DEFAULT_RETRIES = 3
MOST_ATTEMPTS = 1_000


class Level(Enum):
    """Who may say an option."""

    JOB = "a job"
    TYPE = "a job type"
    QUEUE = "a queue"
    DEFAULTS = "the defaults"


EVERY_LEVEL = frozenset(Level)
_OWN = frozenset({Level.JOB, Level.TYPE})
MOST_AT_A_TIME = 100_000
MOST_WEIGHT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One option, as it is declared."""

    keyword: str
    """its name in Python, in the configuration file, and with `-` for `_` on the command line"""
    field: str
    """its name in `Options` and in a job's record"""
    kind: Kind
    about: str
    levels: frozenset[Level]
    excludes: str | None
    """the keyword of another one that may not be given with it"""
    varies: bool
    """most jobs that have it have one of their own"""
    reads_back: bool
    """is it among what a job tells of itself?"""
    flag: str
    convert: Callable[[Any], Any] | None

    @property
    def wire(self) -> str:
        """Its name in JSON."""
        return self.keyword + self.kind.unit

    def parse(self, value: object) -> Any:
        """From what a program says. Raises OptionError."""
        return self._converted(self.kind.parse(value, self.keyword))

    def from_json(self, value: object) -> Any:
        """From what a client of the API says. Raises OptionError."""
        return self._converted(self.kind.from_json(value, self.keyword))

    def from_text(self, text: str) -> Any:
        """From a text of the command line. Raises OptionError."""
        return self._converted(self.kind.from_text(text, self.keyword))

    def from_setting(self, value: object) -> Any:
        """From what the configuration file or the environment says. Raises OptionError."""
        return self.from_text(value) if isinstance(value, str) else self.parse(value)

    def _converted(self, value: Any) -> Any:
        return self.convert(value) if self.convert is not None else value


@dataclass(frozen=True, slots=True)
class _Also:
    """A second way to say an option."""

    keyword: str
    kind: Kind
    about: str
    convert: Callable[[Any], Any]


def _option(
    kind: Kind,
    about: str,
    *,
    levels: Collection[Level] = EVERY_LEVEL,
    excludes: str | None = None,
    varies: bool = False,
    reads_back: bool = True,
    flag: str | None = None,
    also: _Also | None = None,
) -> Any:
    declared = {"kind": kind, "about": about, "levels": frozenset(levels), "excludes": excludes, "flag": flag}
    return field(default=None, metadata={**declared, "varies": varies, "reads_back": reads_back, "also": also})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options as given by one level, or all together; None means "as the level below says"."""

    queue: str | None = _option(QUEUE_NAME, "the queue it waits in", levels=EVERY_LEVEL - {Level.QUEUE})
    priority: int | None = _option(PRIORITY, f"1 (most urgent) to 10, or {', '.join(priorities.NAMES)}")
    delay_ms: int | None = _option(duration(), "run it that long from now: 5s, 10m, 1d", reads_back=False)
    run_at_ms: int | None = _option(
        MOMENT,
        "run it then: 2026-01-31T08:00:00Z",
        levels={Level.JOB},
        excludes="delay",
        varies=True,
        reads_back=False,
    )
    max_attempts: int | None = _option(
        whole(1, MOST_ATTEMPTS),
        "how often it may run in all, the first run included",
        also=_Also(
            "retries",
            whole(0, MOST_ATTEMPTS - 1),
            "the same without the first run: 3 means up to 4 attempts",
            lambda retries: retries + 1,
        ),
    )
    backoff: Backoff | None = _option(  # noqa: RUF009  it makes a field
        BACKOFF, f"the pause between attempts: 10s, a list 1s,10s,1m, an object, or {', '.join(WORDS)}"
    )
    timeout_ms: int | None = _option(duration(least=1), "how long one attempt may run")
    heartbeat_timeout_ms: int | None = _option(duration(least=1), "how long its handler may be silent while it runs")
    queue_timeout_ms: int | None = _option(duration(least=1), "how long it may wait before it fails")
    expires: When | None = _option(  # noqa: RUF009  it makes a field
        WHEN, "if it has not started by then, it is cancelled: 10m, or 2026-01-31T08:00:00Z"
    )
    deadline: When | None = _option(  # noqa: RUF009  it makes a field
        WHEN, "if it is not done by then, it fails: 10m, or 2026-01-31T08:00:00Z"
    )
    unique: Unique | Literal[False] | None = _option(  # noqa: RUF009  it makes a field
        UNIQUE,
        'one at a time: true (of the same data), a key, ["field", ...], or {"mode": "throttle", "period": "5m", ...}',
        levels=EVERY_LEVEL - {Level.DEFAULTS},
    )
    tags: tuple[str, ...] | None = _option(TAGS, "a tag; may be repeated", varies=True, flag="tag")
    metadata: Mapping[str, Any] | None = _option(
        FACTS, "a fact about it; may be repeated", levels={Level.JOB, Level.TYPE}, varies=True
    )

    group: str | None = _option(KEY, "its tenant: groups of a queue are served in turn", levels=_OWN, varies=True)
    ordering_key: str | None = _option(
        KEY, "jobs of one key run one at a time, in their order", levels=_OWN, varies=True
    )
    concurrency: int | None = _option(
        whole(1, MOST_AT_A_TIME), "how many of its key, or else of its type, may run at a time", levels=_OWN
    )
    concurrency_key: str | None = _option(KEY, "whose concurrency it is", levels=_OWN, varies=True)
    rate: Rate | None = _option(  # noqa: RUF009  it makes a field
        RATE, "how many of its key, or else of its type, may start: 100/1m", levels=_OWN
    )
    rate_key: str | None = _option(KEY, "whose rate it is", levels=_OWN, varies=True)
    rate_weight: int | None = _option(whole(1, MOST_WEIGHT), "as how many jobs it counts against rates", levels=_OWN)
    keep_completed: Keep | None = _option(  # noqa: RUF009  it makes a field
        KEEP, "how many completed ones are kept of those that say the same, and how long: 10, 7d, none", levels=_OWN
    )
    keep_failed: Keep | None = _option(  # noqa: RUF009  it makes a field
        KEEP, "the same for failed ones, and for cancelled ones", levels=_OWN
    )
    durability: Durability | None = _option(  # noqa: RUF009  it makes a field
        one_of("server", "replica"),
        "it is accepted when the server has it, or when a replica of that has it too",
        reads_back=False,
    )
    isolation: Isolation | None = _option(  # noqa: RUF009  it makes a field
        ISOLATION, "its handler runs in a process of its own, which may take so much memory and CPU time"
    )
    front: bool | None = _option(YES, "at the front of those that wait with its priority", levels=EVERY_LEVEL)

    def given(self) -> Iterator[tuple[str, Any]]:
        """The names and values of those that are said."""
        return ((name, value) for name, value in zip(_FIELDS, _values(self), strict=True) if value is not None)

    def over(self, lower: Self) -> Self:
        """These options, completed from `lower` where they say nothing."""
        mine = dict(self.given())
        if not mine:
            return lower
        displaced = {_DISPLACED[name]: None for name in mine if name in _DISPLACED}
        return lower.but(**displaced | mine)

    def but(self, **changes: Any) -> Self:
        """These options with other values of some fields: what `dataclasses.replace` does, in a third of its time, as
        each job that says something of its own passes through here."""
        return type(self)(**dict(zip(_FIELDS, _values(self), strict=True)) | changes)

    @property
    def recur(self) -> bool:
        """Will other jobs have the very same options?"""
        return _varying(self) == _NOTHING_VARIES

    def to_record(self, without: Collection[str] = ()) -> dict[str, Any]:
        """What is said, as JSON values by the names of fields."""
        return {name: BY_FIELD[name].kind.to_json(value) for name, value in self.given() if name not in without}

    def to_json(self) -> dict[str, Any]:
        """What is said, as JSON values by the names of the API."""
        return {BY_FIELD[name].wire: BY_FIELD[name].kind.to_json(value) for name, value in self.given()}


def from_record(record: Mapping[str, Any]) -> Options:
    """What `Options.to_record` made. What a newer jobd has written besides is passed over. Raises OptionError naming an
    option that is there in a form that is none here."""
    return Options(
        **{name: _read(name, value) for name, value in record.items() if name in BY_FIELD and value is not None}
    )


def readable(record: Mapping[str, Any]) -> Options:
    """The same, without those options that are in a form that is none here."""
    options: dict[str, Any] = {}
    for name, value in record.items():
        if name in BY_FIELD and value is not None:
            with suppress(OptionError):
                options[name] = _read(name, value)
    return Options(**options)


def _read(name: str, value: Any) -> Any:
    row = BY_FIELD[name]
    try:
        return row.kind.from_record(value)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, OptionError) as error:
        named = str(error).startswith(row.keyword)
        raise OptionError(str(error) if named else f"{row.keyword}: {error}") from error


def _rows() -> Iterator[Row]:
    for declared in fields(Options):
        said = dict(declared.metadata)
        also, flag = said.pop("also"), said.pop("flag")
        keyword = declared.name.removesuffix("_ms")
        yield Row(keyword=keyword, field=declared.name, flag=flag or keyword, convert=None, **said)
        if also is not None:
            said |= {"kind": also.kind, "about": also.about, "excludes": keyword}
            yield Row(keyword=also.keyword, field=declared.name, flag=also.keyword, convert=also.convert, **said)


ROWS: Mapping[str, Row] = {row.keyword: row for row in _rows()}
"""all options by their keywords, in the order in which people are told of them"""
BY_FIELD: Mapping[str, Row] = {row.field: row for row in reversed(list(ROWS.values()))}
_FIELDS = tuple(declared.name for declared in fields(Options))
_values = attrgetter(*_FIELDS)
_DISPLACED = {row.field: ROWS[row.excludes].field for row in ROWS.values() if row.excludes and row.convert is None}
"""of two that exclude each other, what is said above takes the place of what is said below"""
_DISPLACED |= {lower: upper for upper, lower in _DISPLACED.items()}
_VARYING = tuple(dict.fromkeys(row.field for row in ROWS.values() if row.varies))
_varying = attrgetter(*_VARYING)
_NOTHING_VARIES = (None,) * len(_VARYING)

MAY_BE_UNREADABLE = frozenset(row.field for row in ROWS.values() if not row.kind.reads_any)
"""of these a newer jobd may have written a form that is none here"""

DEFAULTS = Options(
    queue=DEFAULT_QUEUE,
    priority=priorities.DEFAULT,
    max_attempts=1 + DEFAULT_RETRIES,
    backoff=DEFAULT_BACKOFF,
    timeout_ms=0,
)
"""what holds where nobody says anything: 4 attempts, exponential backoff from 2 s with jitter, no time limit"""

NONE = Options()


def make_options(**given: Unpack[JobOptions]) -> Options:
    """The options of a job, from what people write. Raises OptionError naming the option and what is allowed."""
    return read_options(given)


def read_options(given: Mapping[str, Any], level: Level = Level.JOB) -> Options:
    """Options from what a program says at a level; None is as good as nothing. Raises OptionError naming the option and
    what is allowed."""
    if not given:
        return NONE
    return put_together({name: row_at(name, level).parse(value) for name, value in given.items() if value is not None})


def row_at(keyword: str, level: Level) -> Row:
    """The option of this name. Raises OptionError if there is none, or none at this level."""
    row = ROWS.get(keyword)
    if row is not None and level in row.levels:
        return row
    if row is not None:
        at = " or ".join(each.value for each in Level if each in row.levels)
        raise OptionError(f"{keyword}: this is an option of {at}, not of {level.value}")
    known = [name for name, row in ROWS.items() if level in row.levels]
    near = difflib.get_close_matches(keyword, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    raise OptionError(f"there is no option {keyword!r}; {hint}")


def put_together(values: Mapping[str, Any]) -> Options:
    """Options from values that the rows have read, by keyword. Raises OptionError if two exclude each other."""
    if not values:
        return NONE
    for row, other in clashes(values):
        raise OptionError(clash_of(row.keyword, other.keyword, same=row.field == other.field))
    options = Options(**{ROWS[keyword].field: value for keyword, value in values.items()})
    if options.backoff is PATIENT and options.max_attempts is None:
        return options.but(max_attempts=PATIENT_ATTEMPTS)
    return options


def clashes(given: Collection[str]) -> Iterator[tuple[Row, Row]]:
    """Among these keywords, the pairs that exclude each other."""
    for keyword in given:
        row = ROWS[keyword]
        if row.excludes is not None and row.excludes in given:
            yield ROWS[row.excludes], row


def clash_of(one: str, other: str, *, same: bool) -> str:
    """What is wrong with giving both."""
    return f"{one} and {other} {'say the same in two ways' if same else 'exclude each other'}; give one"
