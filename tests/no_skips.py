"""`pytest -p tests.no_skips`: a skipped test fails the run, because nobody reads what did not run."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", ())
    if skipped:
        reporter.write_line(f"\n{len(skipped)} skipped: a run that counts leaves nothing out", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
