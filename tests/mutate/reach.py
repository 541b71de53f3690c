"""A plugin of pytest: which test comes by which line. It listens to what probed scripts say in the server's log, and
traces the Python files that the environment names."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import IO, Any

import pytest

from tests.real_server import RealServer

OUTPUT, TRACED = "JOBD_REACH_OUTPUT", "JOBD_REACH_TRACED"
_SAID = re.compile(rb"@(test .*|\S+:\d+)\s")

_reached: dict[str, set[str]] = defaultdict(set)
_seconds: dict[str, float] = defaultdict(float)
_current = [""]
_traced = {os.path.realpath(file): file for file in os.environ.get(TRACED, "").split(os.pathsep) if file}


def _listen(log: IO[bytes]) -> None:
    """Reads the log of a server to its end. What a test caused stands behind the word of its beginning."""
    test = _current[0]
    for line in log:
        if said := _SAID.search(line):
            word = said[1].decode()
            if word.startswith("test "):
                test = word.removeprefix("test ").strip()
            else:
                _reached[test].add(word)


def _call(frame: FrameType, event: str, argument: Any) -> Any:
    file = _traced.get(frame.f_code.co_filename)
    if file is None:
        return None
    reached = _reached[_current[0]]

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        reached.add(f"{file}:{frame.f_lineno}")
        return line

    return line(frame, event, argument)


def pytest_configure() -> None:
    RealServer.listen = staticmethod(_listen)  # type: ignore[method-assign]  # it only throws away what it reads
    if _traced:
        threading.settrace(_call)
        sys.settrace(_call)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    _current[0] = item.nodeid
    if _traced:
        sys.settrace(_call)  # anew: an error in there, as where a test lets the stack overflow, has ended it
    return (yield)


@pytest.fixture(autouse=True)
def _told(session_server: RealServer, request: pytest.FixtureRequest) -> None:
    with session_server.client() as client:
        client.eval("redis.log(redis.LOG_WARNING, ARGV[1])", 0, f"@test {request.node.nodeid} ")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _seconds[report.nodeid] += report.duration
    if report.failed:
        _seconds[report.nodeid] = float("inf")  # the probes disturb it: it can say nothing


def pytest_sessionfinish() -> None:
    found = {
        test: {"seconds": seconds, "lines": sorted(_reached[test])}
        for test, seconds in _seconds.items()
        if seconds != float("inf")
    }
    Path(os.environ[OUTPUT]).write_text(json.dumps(found))
