"""What is broken, and which tests are asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.mutate import lua, python
from tests.mutate.mutant import Mutant
from tests.mutate.trial import ROOT

SUITES = (
    "tests/domain",
    "tests/store",
    "tests/roles",
    "tests/simulation",
    "tests/test_unique.py",
    "tests/test_pause.py",
    "tests/test_retention.py",
    "tests/test_queue_full.py",
    "tests/test_operations.py",
    "tests/test_client.py",
)
CORE = (
    "jobd/domain/backoff.py",
    "jobd/domain/batch.py",
    "jobd/domain/delivery.py",
    "jobd/domain/error_rules.py",
    "jobd/domain/isolation.py",
    "jobd/domain/keep.py",
    "jobd/domain/lane_key.py",
    "jobd/domain/limits.py",
    "jobd/domain/options.py",
    "jobd/domain/queue_order.py",
    "jobd/domain/rate.py",
    "jobd/domain/ruling.py",
    "jobd/domain/settle.py",
    "jobd/domain/signals.py",
    "jobd/domain/state.py",
    "jobd/domain/time_limits.py",
    "jobd/domain/unique.py",
    "jobd/domain/when.py",
    "jobd/roles/declared_limits.py",
    "jobd/roles/membership.py",
    "jobd/roles/more_shards.py",
    "jobd/roles/operator.py",
    "jobd/roles/pruner.py",
    "jobd/roles/reaper.py",
    "jobd/roles/scheduler.py",
    "jobd/roles/verdicts.py",
    "jobd/roles/worker/appetite.py",
    "jobd/roles/worker/attempt_limits.py",
    "jobd/roles/worker/batches.py",
    "jobd/roles/worker/calls.py",
    "jobd/roles/worker/cancels.py",
    "jobd/roles/worker/catch_up.py",
    "jobd/roles/worker/deadlines.py",
    "jobd/roles/worker/endings.py",
    "jobd/roles/worker/engine.py",
    "jobd/roles/worker/error_record.py",
    "jobd/roles/worker/outbox.py",
    "jobd/roles/worker/runner.py",
    "jobd/roles/worker/running.py",
    "jobd/roles/worker/slots.py",
    "jobd/roles/worker/stuck.py",
    "jobd/roles/worker/threads.py",
    "jobd/store/agreement.py",
    "jobd/store/aside.py",
    "jobd/store/caller.py",
    "jobd/store/codec.py",
    "jobd/store/gathering.py",
    "jobd/store/growing.py",
    "jobd/store/homes.py",
    "jobd/store/inbox.py",
    "jobd/store/lease_keeper.py",
    "jobd/store/link.py",
    "jobd/store/once.py",
    "jobd/store/operations.py",
    "jobd/store/own_options.py",
    "jobd/store/past.py",
    "jobd/store/restarts.py",
    "jobd/store/rules.py",
    "jobd/store/settlement.py",
    "jobd/store/shard.py",
    "jobd/store/unique_keys.py",
)
"""the Python that decides what becomes of a job"""


_CREW = ("tests/roles/test_crew", "tests/roles/test_relief.py")
APART: Mapping[str, tuple[str, ...]] = {
    "jobd/roles/worker/memory.py": ("tests/roles/test_relief.py",),
    "jobd/roles/worker/control.py": _CREW,
    "jobd/roles/worker/succession.py": ("tests/roles/test_succession.py",),
    "jobd/roles/worker/crew.py": _CREW,
    "jobd/roles/worker/child_process.py": _CREW,
    "jobd/roles/worker/child.py": (*_CREW, "tests/acceptance/test_relief.py"),
    "jobd/roles/worker/attempt_words.py": ("tests/roles/test_isolation.py",),
    "jobd/roles/worker/piped_context.py": ("tests/roles/test_isolation.py",),
    "jobd/roles/worker/fork_server.py": ("tests/roles/test_isolation.py",),
    "jobd/roles/worker/isolated_attempt.py": ("tests/roles/test_isolation.py",),
    "jobd/roles/worker/isolated_calls.py": ("tests/roles/test_isolation.py",),
    "jobd/roles/worker/nursery.py": ("tests/roles/test_isolation.py",),
}
"""what works in processes of its own, where nobody sees which test comes by: these are asked all"""


def files() -> list[str]:
    """The files that are broken: all scripts, and the core."""
    scripts = [*sorted((ROOT / "jobd/store/lua").glob("*.lua")), *sorted((ROOT / "jobd/store/lua/lib").glob("*.lua"))]
    return [*(script.relative_to(ROOT).as_posix() for script in scripts), *CORE, *APART]


def mutants(file: str) -> Iterator[Mutant]:
    """All ways in which this file is broken."""
    breaks = lua.mutants if file.endswith(".lua") else python.mutants
    return breaks(file, (ROOT / file).read_text())
