"""The command line of the mutation run."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from tests.mutate.mutant import Mutant
from tests.mutate.report import Report, explained
from tests.mutate.scope import SUITES, files, mutants
from tests.mutate.trial import Copy, Test

_FIRST = 25
"""tests that are asked first"""


def main() -> None:
    """Does what the command line asks for. The exit code is 1 if a break was not noticed and is not explained."""
    given = _parser().parse_args()
    chosen = [file for file in files() if any(fnmatch(file, f"*{pattern}") for pattern in given.only)]
    every = [mutant for file in chosen for mutant in mutants(file)]
    for name in explained().keys() - {mutant.name for file in files() for mutant in mutants(file)}:
        _say(f"explained, and no more to be broken: {name}")
    if given.sample:
        picked = random.Random(given.seed).sample(range(len(every)), min(given.sample, len(every)))
        every = [every[at] for at in picked]
    with tempfile.TemporaryDirectory(prefix="jobd-mutate-") as folder:
        copy = Copy(Path(folder))
        _say(f"{len(every)} breaks in {len(chosen)} files; first, which test comes by which line …")
        report = _tried(copy, every, copy.tests(chosen, given.tests or SUITES), given.most_tests)
    print(report.text())
    if given.page:
        given.page.write_text(report.text())
    sys.exit(1 if report.unexplained else 0)


def _tried(copy: Copy, every: Sequence[Mutant], tests: Sequence[Test], most: int) -> Report:
    if failing := copy.failing([test.name for test in tests[:200]]):
        raise SystemExit(f"{failing} fails although nothing is broken: nothing can be said")
    report = Report(explained())
    begun = time.monotonic()
    witnesses: Counter[str] = Counter()
    for number, mutant in enumerate(every, 1):
        asked = sorted(_mixed(_asked(mutant, tests)), key=lambda name: -witnesses[name])[:most]
        # who has noticed other breaks is asked first, alone
        portions = [portion for portion in (asked[:_FIRST], asked[_FIRST:]) if portion]
        witness = next((found for portion in portions if (found := copy.noticed(mutant, portion))), None)
        report.add(mutant, survived=witness is None, asked=len(asked))
        if witness is None:
            _say(f"NOT NOTICED by {len(asked)} tests: {mutant.file}:{mutant.line}: {mutant.name.partition(': ')[2]}")
        else:
            witnesses[witness] += 1
        if number % 50 == 0:
            _say(f"{number} of {len(every)} in {time.monotonic() - begun:.0f} s, {report.survivors} not noticed")
    return report


def _asked(mutant: Mutant, tests: Sequence[Test]) -> list[str]:
    """The tests that come by the place, or by the nearest one above it that can be seen from outside."""
    for line in range(mutant.line, max(0, mutant.line - 40), -1):
        found = [test.name for test in tests if f"{mutant.file}:{line}" in test.lines]
        if found:
            return found
    return []


def _mixed(names: Sequence[str]) -> list[str]:
    """The same names, so that each file of tests has its turn: many quick tests of one kind see one kind of break."""
    turns: Counter[str] = Counter()
    placed = []
    for at, name in enumerate(names):
        file = name.partition("::")[0]
        turns[file] += 1
        placed.append((turns[file], at, name))
    return [name for _, _, name in sorted(placed)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/mutate",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Breaks one line at a time of the scripts and of the core: a guard that is always open\n"
        "or always shut, a condition without one of its parts, a limit that is one off, a step that is left out.\n"
        "For each, runs the tests that come by that line. What no test notices, and tests/mutate/explained.toml\n"
        "does not explain, is listed, and the exit code is 1.",
        epilog="examples:\n"
        "  scripts/mutate                              all of it, in two hours\n"
        "  scripts/mutate --only settle.lua            one file\n"
        "  scripts/mutate --sample 100 --seed 7        a hundred breaks, drawn from a seed\n",
    )
    parser.add_argument("--only", nargs="+", default=["*"], metavar="PATTERN", help="files whose path ends so")
    parser.add_argument("--sample", type=int, metavar="N", help="so many breaks, drawn from the seed (all)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the sample (1)")
    parser.add_argument("--most-tests", type=int, default=500, metavar="N", help="that are asked about a break (500)")
    parser.add_argument("--tests", nargs="+", metavar="PATH", help="the tests to ask (all that concern the store)")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the report there too, as Markdown")
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
