"""A copy of the sources, in which one thing at a time is broken, and the tests that then run there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

from tests.mutate import live, lua, reach
from tests.mutate.mutant import Mutant
from tests.mutate.patience import ended
from tests.mutate.ready import Change, Ready

ROOT = Path(__file__).parents[2]
_COPIED = ("jobd", "tests", "plugins", "config", "pyproject.toml", "scripts", "README.md", "docs")
_HEAVY = ("pytest_asyncio", "hypothesis.stateful", "redis.asyncio", "pydantic", "anyio", "uvloop", "orjson")
"""what is imported once, before each trial begins as a copy of this process"""
PATIENCE_S, SLOWER = 15.0, 5.0
"""a trial that takes longer than this, and so many times what its tests took, hangs, which somebody would notice"""
_ARGUMENTS = (
    *("-q", "-p", "no:cacheprovider", "-m", "not long", "-W", "ignore::pytest.PytestAssertRewriteWarning"),
    *("-k", "not is_broken_on_purpose"),  # what a test breaks itself may be seen or not by chance: it is no witness
)


@dataclass(frozen=True, slots=True)
class Watcher:
    """A test, and what it comes by."""

    name: str
    seconds: float
    lines: frozenset[str]


class _Witness:
    """Writes down which test failed."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._file.write_text(report.nodeid)


class Copy:
    """A copy of the sources."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in _COPIED:
            there = ROOT / name
            if there.is_dir():
                shutil.copytree(there, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".hypothesis"))
            elif there.exists():
                shutil.copy2(there, folder / name)
        self._stamp = int(time.time())
        self._ready: Ready | None = None
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                map(str, [folder, folder / "tests" / "testbed", *sorted((folder / "plugins").glob("*"))])
            ),
        }

    def tests(self, files: Sequence[str], suites: Sequence[str]) -> list[Watcher]:
        """The tests of these suites, with the lines of these files that each comes by; the quickest first."""
        scripts = [file for file in files if file.endswith(".lua")]
        for file in scripts:
            self._write(file, lua.probed(file, (ROOT / file).read_text()))
        output = self.folder / "reach.json"
        traced = [str(self.folder / file) for file in files if file.endswith(".py")]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *_ARGUMENTS, "-p", "tests.mutate.reach", *suites],
            cwd=self.folder,
            env={**self._environment, reach.OUTPUT: str(output), reach.TRACED: os.pathsep.join(traced)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        for file in scripts:
            self._write(file, (ROOT / file).read_text())
        if not output.exists():
            raise RuntimeError(f"the tests did not begin:\n{done.stdout[-3_000:]}")
        found = [
            Watcher(name, facts["seconds"], frozenset(line.removeprefix(f"{self.folder}/") for line in facts["lines"]))
            for name, facts in json.loads(output.read_text()).items()
        ]
        return sorted(found, key=lambda test: test.seconds)

    def get_ready(self, tests: Sequence[Watcher]) -> None:
        """Finds these tests once for all trials of scripts and functions, which are much quicker from then on."""
        files = sorted({test.name.partition("::")[0] for test in tests})
        self._ready = Ready(["-x", "-s", *_ARGUMENTS, *files], self._enter)

    def close(self) -> None:
        """Ends what was made ready."""
        if self._ready is not None:
            self._ready.close()

    def noticed(self, mutant: Mutant, tests: Sequence[Watcher]) -> str | None:
        """The first of these tests that notices, or "?" if none could say so itself; None if nobody does."""
        text = (ROOT / mutant.file).read_text()
        broken = mutant.applied(text)
        self._write(mutant.file, broken)
        try:
            if mutant.file.endswith(".lua"):
                return self.failing(tests, ready=self._ready)
            if self._ready is not None and live.can_be_put_in(text, broken):
                change = str(self.folder / mutant.file), text, broken
                return self.failing(tests, ready=self._ready, change=change)
            return self.failing(tests)
        finally:
            self._write(mutant.file, text)

    def failing(
        self, tests: Sequence[Watcher], *, ready: Ready | None = None, change: Change | None = None
    ) -> str | None:
        """The first of these tests that fails on the copy as it is, and, if they are `ready`, with this change in what
        they have imported."""
        failed = self.folder / "failed"
        failed.unlink(missing_ok=True)
        patience_s = PATIENCE_S + SLOWER * sum(test.seconds for test in tests)
        names = [test.name for test in tests]
        status = self._run(names, failed, patience_s) if ready is None else ready.run(names, failed, patience_s, change)
        if status == 0:
            return None
        return failed.read_text() if failed.exists() else "?"

    def _write(self, file: str, text: str) -> None:
        """Python believes a compiled file by the second in which its source was written."""
        self._stamp += 1
        (self.folder / file).write_text(text)
        os.utime(self.folder / file, (self._stamp, self._stamp))

    def _run(self, tests: Sequence[str], failed: Path, patience_s: float) -> int:
        for module in _HEAVY:
            import_module(module)
        child = os.fork()
        if child == 0:
            try:
                status = self._in_child(tests, failed)
            except BaseException:  # noqa: BLE001  a copy of this process must not go on as if it were this one
                traceback.print_exc()
                status = 3
            os._exit(status)
        return ended(child, patience_s)

    def _in_child(self, tests: Sequence[str], failed: Path) -> int:
        os.setsid()
        self._enter()
        try:
            return int(pytest.main(["-x", *_ARGUMENTS, *tests], plugins=[_Witness(failed)]))
        finally:
            sys.stdout.flush()
            sys.stderr.flush()

    def _enter(self) -> None:
        """From here on this process works on the copy."""
        os.chdir(self.folder)
        os.environ.update(self._environment)
        log = os.open(self.folder / "trial.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        for name in [name for name in sys.modules if name.split(".")[0] in ("tests", "jobd")]:
            del sys.modules[name]
        sys.path[:] = [*self._environment["PYTHONPATH"].split(os.pathsep), *sys.path]
