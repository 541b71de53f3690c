from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jobd import log


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    before = structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.configure(**before)


@pytest.mark.requirement("2.6")
def test_machines_get_a_line_of_json_for_each_event(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "auto")
    log.get("worker").info("job done", job="one", ms=5)
    log.get("worker").debug("not this one")
    (line,) = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert event.pop("timestamp").endswith("Z")
    assert event == {"event": "job done", "level": "info", "part": "worker", "job": "one", "ms": 5}


def test_it_is_there_from_the_start_and_rich_is_for_those_who_want_it() -> None:
    program = (
        "import sys; from jobd import log; log.configure('info', 'json'); "
        "print('structlog' in sys.modules, 'rich' in sys.modules); import rich; print(rich.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["True", "False", "rich"]


@pytest.mark.parametrize("value", ["plain", "é", "\ud800", 2**70], ids=["plain", "accent", "half a character", "large"])
def test_lines_for_machines_look_alike_whatever_is_said(capsys: pytest.CaptureFixture[str], value: object) -> None:
    log.configure("info", "json")
    log.get("worker").info("said", value=value)
    written = capsys.readouterr().err
    assert written.startswith('{"part":"worker","value":')
    assert written.isascii()
    assert json.loads(written)["value"] == value


def test_people_get_text(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("debug", "text")
    log.get("worker").debug("job done", job="one")
    written = capsys.readouterr().err
    assert "job done" in written
    assert "job=one" in written


def test_who_has_set_up_structlog_himself_keeps_that(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "json")
    structlog.configure(processors=[structlog.processors.KeyValueRenderer()])
    log.get("worker").info("job done", job="one")
    assert "part='worker' job='one' event='job done'" in capsys.readouterr().out


@pytest.mark.threat("S42")
@pytest.mark.requirement("2.6")
@pytest.mark.parametrize("style", ["text", "json"])
def test_an_exception_is_written_with_its_trace_and_without_local_variables(
    capsys: pytest.CaptureFixture[str], style: str
) -> None:
    log.configure("info", "text" if style == "text" else "json")
    password = "-".join(["canary", "in", "a", "variable"])
    try:
        raise ValueError("broken")
    except ValueError as error:
        log.get("jobd").error("it ends", exc_info=error)
    written = capsys.readouterr().err
    assert "ValueError: broken" in written
    assert "test_log.py" in written
    assert password not in written


@pytest.mark.threat("S41")
@pytest.mark.parametrize("style", ["text", "json"])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=30))
@example(text="done\n2026-11-22T00:00:00Z [info     ] payment approved")
@example(text="\x1b[2J\x1b]0;title\x07")
@example(text="\x9b2J\u2028\u202e\r")
def test_whatever_is_said_is_one_line_and_moves_no_cursor(
    capsys: pytest.CaptureFixture[str], style: str, text: str
) -> None:
    log.configure("info", "text" if style == "text" else "json")
    log.get("worker").info("attempt failed", error=text, job="one")
    written = capsys.readouterr().err
    assert written.count("\n") == 1 == len(written.splitlines())
    assert all(letter.isprintable() for letter in written[:-1])


@pytest.mark.threat("S41")
def test_neither_does_the_message_of_an_exception(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "text")
    try:
        raise ValueError("\x1b[2J\x9b")
    except ValueError as error:
        log.get("jobd").error("it ends", exc_info=error)
    assert all(line.isprintable() for line in capsys.readouterr().err.split("\n"))


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_every_level_that_settings_know_is_one(capsys: pytest.CaptureFixture[str], level: str) -> None:
    log.configure(level, "json")
    for each in ("debug", "info", "warning", "error"):
        getattr(log.get("jobd"), each)(each)
    levels = [json.loads(line)["level"] for line in capsys.readouterr().err.splitlines()]
    assert levels == ["debug", "info", "warning", "error"][["debug", "info", "warning", "error"].index(level) :]


def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr("sys.stderr", TextIOWrapper(full, write_through=True))
        log.configure("info", "json")
        log.get("worker").info("job done")
        with pytest.raises(OSError, match="No space left"):
            sys.stderr.write("so it is indeed full")
