"""One job on one screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jobd.cli.screen import STATUS_COLOURS, Screen, json_text
from jobd.cli.table import Cell, Column
from jobd.cli.times import relative, span
from jobd.domain.duration import spoken
from jobd.domain.priority import NAMES
from jobd.domain.rendering import time_to_json
from jobd.domain.state import ENDED, State

if TYPE_CHECKING:
    from datetime import datetime

    from jobd.domain.job import Attempt, Job, LogLine, Progress
    from jobd.domain.outcome import ErrorRecord

_ATTEMPT_COLUMNS = (
    Column("ATTEMPT", right=True),
    Column("OUTCOME"),
    Column("STARTED"),
    Column("TOOK", right=True),
    Column("WORKER"),
    Column("NOTE", below=4),
)
LOG_COLUMNS = (Column("TIME"), Column("ATTEMPT", right=True), Column("LEVEL"), Column("TEXT"))
_LEVEL_COLOURS = {"warning": "yellow", "error": "red", "debug": "dim"}


def show_job(screen: Screen, job: Job, lines: Sequence[LogLine], hint: str | None = None) -> None:
    """All about a job; `hint` says why nobody takes it."""
    status = screen.painted(job.status.value, STATUS_COLOURS[job.status])
    screen.styled(f"{screen.painted(job.id, 'head')}  {status}")
    for name, text in _facts(screen, job):
        screen.line(f"  {name:<10} {text}")
    if hint:
        screen.line(f"  {'waits':<10} {hint}", "yellow")
    _section(screen, "Data", json_text(job.data))
    if job.status is State.COMPLETED:
        _section(screen, "Result", json_text(job.result))
    if job.error:
        _section(screen, "Error", _error_text(job.error))
    if job.attempts:
        screen.line()
        screen.line("Attempts", "head")
        screen.table(_ATTEMPT_COLUMNS, [_attempt_row(screen, attempt) for attempt in job.attempts])
    if lines:
        screen.line()
        screen.line("Log", "head")
        screen.table(LOG_COLUMNS, [log_row(line) for line in lines])


def summary(job: Job, screen: Screen) -> str:
    """The most telling fact about a job, in a few words."""
    if job.status is State.ACTIVE:
        if job.cancel_requested:
            return "is to be cancelled"
        return progress_words(job.progress)
    if job.status is State.DELAYED:
        return relative(job.run_at, screen.now) + (f" after {error_words(job.error)}" if job.error else "")
    if job.status is State.FAILED and job.error:
        return error_words(job.error)
    if job.status is State.COMPLETED and job.duration_ms is not None:
        return f"took {span(job.duration_ms)}" + (", was to be cancelled" if job.cancel_requested else "")
    return job.reason or ""


def log_row(line: LogLine) -> list[Cell]:
    """A line of a job's log."""
    fields = "".join(
        f" {name}={value if isinstance(value, str) else _compact(value)}" for name, value in line.fields.items()
    )
    return [
        Cell(line.at.astimezone().strftime("%H:%M:%S.%f")[:-3], time_to_json(line.at)),
        Cell(str(line.attempt)),
        Cell(line.level, colour=_LEVEL_COLOURS.get(line.level)),
        Cell(line.text + fields),
    ]


def progress_words(progress: Progress | None) -> str:
    """How far it is: "40% reading"."""
    if progress is None:
        return ""
    far = f"{progress.done:g}" if progress.percent is None else f"{progress.percent:g}%"
    return f"{far} {progress.message}" if progress.message else far


def error_words(error: ErrorRecord) -> str:
    """An error in a line."""
    return f"{error.get('type', 'error')}: {error.get('message', '')}"


def _facts(screen: Screen, job: Job) -> list[tuple[str, str]]:
    names = {number: name for name, number in NAMES.items()}
    priority = f"{job.priority} ({names[job.priority]})" if job.priority in names else str(job.priority)
    facts = [
        ("type", job.type),
        ("queue", job.queue),
        ("priority", priority),
        ("attempt", f"{job.attempt} of {job.max_attempts}"),
        ("created", _moment(screen, job.created_at)),
    ]
    if job.status is State.DELAYED:
        facts.append(("runs", _moment(screen, job.run_at)))
    if job.started_at:
        facts.append(("started", _moment(screen, job.started_at)))
    if job.finished_at:
        facts.append(("finished", _moment(screen, job.finished_at)))
    if job.duration_ms is not None:
        facts.append(("took", span(job.duration_ms)))
    optional = (
        ("worker", job.worker),
        ("progress", progress_words(job.progress) if job.status not in ENDED else None),
        ("timeout", spoken(job.timeout_ms) if job.timeout_ms else None),
        ("backoff", _compact(job.backoff.to_json()) if job.backoff else None),
        ("tags", " ".join(job.tags)),
        ("metadata", _compact(dict(job.metadata)) if job.metadata else None),
        ("reason", job.reason),
        ("made from", job.origin),
        ("moved to", job.moved_to),
        ("cancel", _cancel_words(job) if job.cancel_requested else None),
    )
    return facts + [(name, text) for name, text in optional if text]


def _cancel_words(job: Job) -> str:
    if job.status is State.ACTIVE:
        return "requested; its worker has been told"
    return f"was requested while it ran, but it {job.status} before it could be stopped"


def _attempt_row(screen: Screen, attempt: Attempt) -> list[Cell]:
    took = attempt.duration_ms
    note = error_words(attempt.error) if attempt.error else attempt.reason or ""
    return [
        Cell(str(attempt.number)),
        Cell(attempt.outcome.value if attempt.outcome else "running"),
        screen.time(attempt.started_at),
        Cell("-", "") if took is None else Cell(span(took), str(took)),
        Cell(attempt.worker),
        Cell(note),
    ]


def _error_text(error: ErrorRecord) -> str:
    told = [error_words(error), error.get("traceback", "").rstrip()]
    marks = [f"{name} {error[name]}" for name in ("at", "fingerprint") if name in error]
    return "\n".join(filter(None, [*told, ", ".join(marks)]))


def _section(screen: Screen, head: str, text: str) -> None:
    screen.line()
    screen.line(head, "head")
    for line in text.splitlines():
        screen.line(f"  {line}")


def _moment(screen: Screen, moment: datetime) -> str:
    return f"{time_to_json(moment)} ({relative(moment, screen.now)})"


def _compact(value: Any) -> str:
    import orjson

    return orjson.dumps(value).decode()
