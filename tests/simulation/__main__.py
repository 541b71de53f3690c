"""The command line of the simulation."""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.world import silence, simulate


def main() -> None:
    """Does what the command line asks for. The exit code is 1 if anything did not hold."""
    given = _parser().parse_args()
    if given.seed is not None:
        simulate(given.seed)
        print(f"seed {given.seed}: all promises held")
        return
    first = given.first if given.first is not None else random.randrange(10**9)
    seeds = range(first, first + given.worlds)
    print(f"seeds {first} to {seeds[-1]}", file=sys.stderr)
    begun = time.monotonic()
    faults, bad = 0, []
    with ProcessPoolExecutor(given.processes) as pool:
        for seed, (there, said) in zip(seeds, pool.map(tried, seeds, chunksize=20), strict=True):
            faults += there
            if said:
                bad.append(seed)
                print(f"seed {seed}: {said}")
    took = time.monotonic() - begun
    print(
        f"{len(seeds)} worlds with {faults} deaths and cuts, and faults at their calls, in {took:.0f} s "
        f"({60 * len(seeds) / took:,.0f} a minute): {len(bad)} in which a promise was broken"
    )
    sys.exit(1 if bad else 0)


def tried(seed: int) -> tuple[int, str]:
    """How many faults there were in the world of this seed, and what went wrong there."""
    try:
        with silence():
            return simulate(seed).faults, ""
    except Exception as error:  # noqa: BLE001  whatever goes wrong there is what it is about
        return 0, "".join(traceback.format_exception_only(error)).strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/simulate",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Runs jobd's engine, monitor and scheduler as they are, on a store that is the oracle of the\n"
        "stateful tests, under a clock that jumps. Each world follows from its seed: jobs, processes that die,\n"
        "stop and are cut off, requests, replies and words that get lost. What is promised must hold in the end.\n"
        "Exit code 1: in some world it did not; its seed makes it again.",
    )
    parser.add_argument("--worlds", type=int, default=1_000, metavar="N", help="how many (1000)")
    parser.add_argument("--first", type=int, metavar="N", help="the first seed (random, printed)")
    parser.add_argument("--seed", type=int, metavar="N", help="only this one, with its log")
    parser.add_argument("--processes", type=int, metavar="N", help="how many at a time (one a core)")
    return parser


if __name__ == "__main__":
    main()
