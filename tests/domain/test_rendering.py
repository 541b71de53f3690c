"""The names that jobs have in the API and in `--output json`: a contract."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from jobd.domain.backoff import Backoff
from jobd.domain.job import Attempt, Job, LogLine, Progress
from jobd.domain.options import make_options
from jobd.domain.outcome import Ending
from jobd.domain.queue import Queue
from jobd.domain.rendering import error_to_json, job_to_json, log_line_to_json, queue_to_json, time_to_json
from jobd.domain.state import State
from jobd.errors import JobNotFound, PayloadError

AT = datetime(2026, 1, 31, 8, 0, 0, 123_456, tzinfo=UTC)
TEXT = "2026-01-31T08:00:00.123Z"


def test_times_are_rfc_3339_in_utc_with_milliseconds() -> None:
    assert time_to_json(AT) == TEXT
    assert time_to_json(AT.astimezone(timezone(timedelta(hours=5, minutes=30)))) == TEXT
    assert time_to_json(datetime(2026, 1, 31, tzinfo=UTC)) == "2026-01-31T00:00:00.000Z"
    assert time_to_json(None) is None


def test_a_job_reads_back_with_these_names() -> None:
    attempt = Attempt(
        number=1,
        worker="w",
        started_at=AT,
        finished_at=AT + timedelta(milliseconds=250),
        outcome=Ending.RAISED,
        error={"type": "ValueError", "message": "wet"},
    )
    job = Job(
        id="wall-1", type="paint", queue="walls", status=State.FAILED, data={"wall": "north"}, priority=5, attempt=1,
        max_attempts=1, deliveries=2, timeout_ms=0,
        options=make_options(backoff=Backoff.fixed("10s"), tags=("outside",), metadata={"a": 1}),
        created_at=AT, run_at=AT, started_at=AT, finished_at=AT, error=attempt.error, attempts=(attempt,),
        progress=Progress(done=1, total=4, message="first coat", at=AT),
    )  # fmt: skip
    assert job_to_json(job) == {
        "id": "wall-1",
        "type": "paint",
        "queue": "walls",
        "status": "failed",
        "data": {"wall": "north"},
        "priority": 5,
        "attempt": 1,
        "max_attempts": 1,
        "deliveries": 2,
        "timeout_ms": 0,
        "backoff": {"kind": "fixed", "base_ms": 10_000, "cap_ms": 10_000, "jitter": 0.0},
        "tags": ["outside"],
        "metadata": {"a": 1},
        "progress": {"done": 1, "total": 4, "percent": 25.0, "message": "first coat", "updated_at": TEXT},
        "result": None,
        "error": {"type": "ValueError", "message": "wet"},
        "reason": None,
        "cancel_requested": False,
        "origin": None,
        "moved_to": None,
        "worker": None,
        "created_at": TEXT,
        "run_at": TEXT,
        "started_at": TEXT,
        "finished_at": TEXT,
        "duration_ms": 250,
        "attempts": [
            {
                "number": 1,
                "worker": "w",
                "started_at": TEXT,
                "finished_at": "2026-01-31T08:00:00.373Z",
                "duration_ms": 250,
                "outcome": "raised",
                "error": {"type": "ValueError", "message": "wet"},
                "reason": None,
            }
        ],
    }


def test_a_log_line_and_a_queue_read_with_these_names() -> None:
    line = LogLine(at=AT, attempt=2, level="info", text="begun", fields={"colour": "blue"})
    assert log_line_to_json(line) == {
        "at": TEXT,
        "attempt": 2,
        "level": "info",
        "text": "begun",
        "fields": {"colour": "blue"},
    }
    queue = queue_to_json(Queue(name="walls", counts={State.WAITING: 2, State.FAILED: 1}))
    assert (queue["name"], queue["unfinished"], queue["counts"]["waiting"], queue["counts"]["active"]) == (
        "walls",
        2,
        2,
        0,
    )


def test_an_error_is_a_problem_object() -> None:
    assert error_to_json(JobNotFound("there is no job wall-1")) == {
        "type": "/problems/not-found",
        "title": "Not found",
        "status": 404,
        "detail": "there is no job wall-1",
        "code": "not_found",
        "retryable": False,
    }
    fault = {"pointer": "/wall", "code": "missing", "message": "this field is required"}
    assert error_to_json(PayloadError("wrong", [fault]))["errors"] == [fault]  # type: ignore[list-item]  # as plain JSON
