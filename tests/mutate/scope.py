"""What is broken, and which tests are asked."""

from __future__ import annotations

from collections.abc import Iterator

from tests.mutate import lua, python
from tests.mutate.mutant import Mutant
from tests.mutate.trial import ROOT

SUITES = (
    "tests/domain",
    "tests/store",
    "tests/roles",
    "tests/test_unique.py",
    "tests/test_pause.py",
    "tests/test_retention.py",
    "tests/test_queue_full.py",
    "tests/test_operations.py",
    "tests/test_client.py",
)
CORE = (
    "jobd/domain/settle.py",
    "jobd/domain/backoff.py",
    "jobd/domain/time_limits.py",
    "jobd/roles/reaper.py",
    "jobd/roles/scheduler.py",
    "jobd/roles/verdicts.py",
    "jobd/roles/worker/engine.py",
    "jobd/roles/worker/outbox.py",
    "jobd/roles/worker/runner.py",
    "jobd/roles/worker/running.py",
    "jobd/roles/worker/slots.py",
    "jobd/store/settlement.py",
    "jobd/store/shard.py",
)
"""the Python that decides what becomes of a job"""


def files() -> list[str]:
    """The files that are broken: all scripts, and the core."""
    scripts = [*sorted((ROOT / "jobd/store/lua").glob("*.lua")), *sorted((ROOT / "jobd/store/lua/lib").glob("*.lua"))]
    return [*(script.relative_to(ROOT).as_posix() for script in scripts), *CORE]


def mutants(file: str) -> Iterator[Mutant]:
    """All ways in which this file is broken."""
    breaks = lua.mutants if file.endswith(".lua") else python.mutants
    return breaks(file, (ROOT / file).read_text())
