"""A pytest that has found all tests, and copies itself for each trial: where a script is broken, nothing that it has
imported changes, and where a function is, that alone does (live.py)."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.mutate import live
from tests.mutate.patience import ended

Change = tuple[str, str, str]
"""a file of Python, what it said when it was imported, and what it says in a trial"""


class Ready:
    """It, as a process of its own."""

    def __init__(self, arguments: Sequence[str], enter: Callable[[], None]) -> None:
        """`arguments` are those of pytest; `enter` makes a process one that works on the copied sources."""
        self._calls, calls = Pipe()
        self._process = os.fork()
        if self._process == 0:
            self._calls.close()
            status = 3
            try:
                enter()
                status = int(pytest.main([*arguments], plugins=[_Trials(calls)]))
                sys.stdout.flush()
            except BaseException:  # noqa: BLE001  a copy of this process must not go on as if it were this one
                traceback.print_exc()
            finally:
                os._exit(status)
        calls.close()
        self._calls.recv()  # all is imported: from now on files may be broken

    def run(self, names: Sequence[str], failed: Path, patience_s: float, change: Change | None = None) -> int:
        """Runs these tests up to the first that fails, whose name is then in the file. Answers with the exit code."""
        self._calls.send((names, failed, patience_s, change))
        status: int = self._calls.recv()
        return status

    def close(self) -> None:
        """Ends the process."""
        self._calls.close()
        os.waitpid(self._process, 0)


class _Trials:
    """A plugin of pytest: runs, instead of all tests that were found, those that each trial names."""

    def __init__(self, calls: Connection) -> None:
        self._calls = calls
        self._failed = Path()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        found = {item.nodeid: item for item in session.items}
        functions = live.loaded()
        self._calls.send("ready")
        while True:
            try:
                names, self._failed, patience_s, change = self._calls.recv()
            except EOFError:
                os._exit(0)
            asked = [found[name] for name in names]
            child = os.fork()
            if child == 0:
                os.setsid()
                _forget_scripts()
                if change is not None:
                    live.put_in(functions, *change)
                session.items[:] = asked
                return  # and pytest goes on with these
            self._calls.send(ended(child, patience_s))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.write_text(report.nodeid)


def _forget_scripts() -> None:
    """What was read from the sources while the tests were looked for."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("jobd", "tests"):
            for function in vars(module).values():
                if forget := getattr(function, "cache_clear", None):
                    forget()
