"""Random moves at any length, without pytest."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from hypothesis import Phase
from hypothesis.stateful import RuleBasedStateMachine, invariant, run_state_machine_as_test

from jobd.store import link
from tests.real_server import RealServer, bundled
from tests.store.holding import chosen
from tests.store.strict_scripts import strict
from tests.store.test_stateful import StoreMachine
from tests.store.test_stateful_gates import GateMachine
from tests.store.test_stateful_wakeups import WakeMachine

MACHINES: dict[str, type[RuleBasedStateMachine]] = {"store": StoreMachine, "gates": GateMachine, "wakeups": WakeMachine}
STEPS = 50
"""steps after each of which the store is looked at whole; then it begins anew"""


def run(name: str, steps: int) -> tuple[str, int, float, str]:
    """Makes so many steps: how many were made, in what time, and what was found."""
    made = 0

    def count(_: RuleBasedStateMachine) -> None:
        nonlocal made
        made += 1

    # a kind of its own: the invariants of a class are those that it was made with
    counted = type("Counted", (MACHINES[name],), {"is_counted": invariant()(count)})

    began, found = time.monotonic(), ""
    setattr(link, "load", strict)  # noqa: B010  as the tests do, for this process
    with RealServer(bundled()) as server:
        setattr(counted, "server", server)  # noqa: B010
        try:
            while made < steps and not found:
                examples = max(1, min(200, (steps - made) // STEPS))
                rules = chosen(examples, STEPS, derandomize=False, phases=[Phase.generate, Phase.shrink])
                run_state_machine_as_test(counted, settings=rules)
        except BaseException:  # noqa: BLE001  whatever it is, it is to be shown
            found = traceback.format_exc()
    return name, made, time.monotonic() - began, found


def main() -> None:
    """Does what the command line asks for. The exit code is 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="scripts/moves", description=__doc__)
    parser.add_argument("steps", nargs="?", type=int, default=20_000, help="in all")
    parser.add_argument("kinds", nargs="*", choices=[*MACHINES, []], help="all, if none is named")
    given = parser.parse_args()
    kinds = given.kinds or list(MACHINES)
    bad = False
    with ProcessPoolExecutor(len(kinds), mp_context=get_context("spawn")) as pool:
        for name, made, seconds, found in pool.map(run, kinds, [given.steps // len(kinds)] * len(kinds)):
            bad |= bool(found)
            print(f"{name:8} {made:>8,} steps in {seconds:,.0f} s: {'found' if found else 'nothing found'}", flush=True)
            if found:
                print(found, flush=True)
    sys.exit(bad)


if __name__ == "__main__":
    main()
