"""The command line of the mutation run."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path

from tests.mutate.ledger import Ledger, keys
from tests.mutate.mutant import Mutant
from tests.mutate.report import Report, explained
from tests.mutate.scope import APART, SUITES, files, mutants
from tests.mutate.trial import ROOT, Copy, Watcher

_FIRST = (5, 25)
"""so many tests are asked first, and so many next: what hangs is found out sooner"""
_WITNESSES = 15
"""so many of those that notice most in a file are asked before all others"""


def main() -> None:
    """Does what the command line asks for. The exit code is 1 if a break was not noticed and is not explained."""
    given = _parser().parse_args()
    chosen = [file for file in files() if any(fnmatch(file, f"*{pattern}") for pattern in given.only)]
    every = [mutant for file in chosen for mutant in mutants(file)]
    for name in explained().keys() - {mutant.name for file in files() for mutant in mutants(file)}:
        _say(f"explained, and no more to be broken: {name}")
    named = list(zip(keys(every), every, strict=True))
    if given.sample:
        picked = random.Random(given.seed).sample(range(len(named)), min(given.sample, len(named)))
        named = [named[at] for at in picked]
    ledger, suites = Ledger(given.keep), given.tests or SUITES
    with tempfile.TemporaryDirectory(prefix="jobd-mutate-") as folder:
        copy = Copy(Path(folder))
        # Python that is watched is slow: for scripts alone it is let be
        watched = [file for file in files() if any(file.endswith(Path(one).suffix) for one in chosen)]
        what = [*suites, *sorted({Path(file).suffix for file in watched})]
        tests = ledger.tests(what)
        if tests is None:
            _say("first, which test comes by which line …")
            tests = copy.tests(watched, suites)
            ledger.note_tests(what, tests)
        _say(f"{len(named)} breaks in {len(chosen)} files, {len(tests)} tests")
        trials = Trials(copy, tests, ledger, given.most_tests, given.most_seconds, again=given.again)
        report = trials.of(named)
        copy.close()
    print(report.text())
    if given.page:
        given.page.write_text(report.text())
    sys.exit(1 if report.unexplained else 0)


class Trials:
    """Breaks, one after the other, and who notices."""

    def __init__(
        self, copy: Copy, tests: Sequence[Watcher], ledger: Ledger, most: int, seconds: float, *, again: bool
    ) -> None:
        """`most` tests are asked, which take no more than these `seconds` when all is well. `again`: what was not
        noticed before is tried once more, as there may be new tests."""
        copy.get_ready(tests)
        if failing := copy.failing(tests[:200]):
            raise SystemExit(f"{failing} fails although nothing is broken: nothing can be said")
        self._copy = copy
        self._tests = tests
        self._ledger = ledger
        self._most = most
        self._seconds = seconds
        self._again = again
        self._witnesses: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def of(self, named: Sequence[tuple[str, Mutant]]) -> Report:
        """All of them, but for those that the ledger knows."""
        report, begun, new = Report(explained()), time.monotonic(), 0
        for key, mutant in named:
            known = self._ledger.known(key)
            if known is None or (self._again and not known[0] and mutant.name not in explained()):
                known, new = self._try(mutant), new + 1
                self._ledger.note(key, noticed=known[0], asked=known[1])
                if new % 50 == 0:
                    _say(f"{new} more in {time.monotonic() - begun:.0f} s")
            noticed, asked = known
            report.add(mutant, survived=not noticed, asked=asked)
        return report

    def _try(self, mutant: Mutant) -> tuple[bool, int]:
        asked = self._chosen(mutant)
        bounds = [0, *(bound for bound in _FIRST if bound < len(asked)), len(asked)]
        portions = [asked[start:end] for start, end in pairwise(bounds) if start < end]
        witness = next((found for portion in portions if (found := self._copy.noticed(mutant, portion))), None)
        if witness is None:
            _say(f"NOT NOTICED by {len(asked)} tests: {mutant.file}:{mutant.line}: {mutant.name.partition(': ')[2]}")
        else:
            self._witnesses[mutant.file][witness] += 1
        return witness is not None, len(asked)

    def _chosen(self, mutant: Mutant) -> list[Watcher]:
        """Who has noticed other breaks of the file is asked first."""
        best = {name: at for at, (name, _) in enumerate(self._witnesses[mutant.file].most_common(_WITNESSES))}
        every = sorted(_mixed(_asked(mutant, self._tests)), key=lambda test: best.get(test.name, _WITNESSES))
        left_s, asked = self._seconds, list[Watcher]()
        # many quick ones see more than one that takes as long as they all
        for test in sorted(every, key=lambda test: test.seconds > self._seconds / 20):
            if len(asked) < self._most and test.seconds <= left_s:
                asked.append(test)
                left_s -= test.seconds
        return asked


def _asked(mutant: Mutant, tests: Sequence[Watcher]) -> list[Watcher]:
    """The tests that come by the place, or by the nearest one above it that can be seen from outside, or else below it;
    and those that are said to."""
    said = [test for test in tests if test.name.startswith(APART.get(mutant.file, ()))]
    text = (ROOT / mutant.file).read_text().splitlines()
    # who comes by what is further in, or by another branch or function above it, is not all who come by the place
    depth, above = _depth(text[mutant.line - 1]), []
    for line in range(mutant.line, max(0, mutant.line - 40), -1):
        if text[line - 1] and _depth(text[line - 1]) <= depth:
            depth = _depth(text[line - 1])
            above.append(line)
    for line in (*above, *range(mutant.line + 1, mutant.line + 40)):
        found = [test for test in tests if f"{mutant.file}:{line}" in test.lines]
        if found:
            return list(dict.fromkeys([*found, *said]))
    return said


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _mixed(tests: Sequence[Watcher]) -> list[Watcher]:
    """The same tests, so that each file of them has its turn: many quick ones of one kind see one kind of break."""
    turns: Counter[str] = Counter()
    placed = []
    for at, test in enumerate(tests):
        file = test.name.partition("::")[0]
        turns[file] += 1
        placed.append((turns[file], at, test))
    return [test for _, _, test in sorted(placed, key=lambda place: place[:2])]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/mutate",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Breaks one line at a time of the scripts and of the core: a guard that is always open\n"
        "or always shut, a condition without one of its parts, a limit that is one off, a step that is left out.\n"
        "For each, runs the tests that come by that line. What no test notices, and tests/mutate/explained.toml\n"
        "does not explain, is listed, and the exit code is 1.",
        epilog="examples:\n"
        "  scripts/mutate --keep DIR                   all of it, in some hours; again: what is left of it\n"
        "  scripts/mutate --keep DIR --again           what was not noticed, once more\n"
        "  scripts/mutate --only settle.lua            one file\n"
        "  scripts/mutate --sample 100 --seed 7        a hundred breaks, drawn from a seed\n",
    )
    parser.add_argument("--only", nargs="+", default=["*"], metavar="PATTERN", help="files whose path ends so")
    parser.add_argument("--sample", type=int, metavar="N", help="so many breaks, drawn from the seed (all)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the sample (1)")
    parser.add_argument("--most-tests", type=int, default=500, metavar="N", help="that are asked about a break (500)")
    parser.add_argument(
        "--most-seconds", type=float, default=300, metavar="S", help="that these may take when nothing is broken (300)"
    )
    parser.add_argument("--tests", nargs="+", metavar="PATH", help="the tests to ask (all that concern the store)")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep results there, and do not try again what they say"
    )
    parser.add_argument("--again", action="store_true", help="but for what was not noticed and is not explained")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the report there too, as Markdown")
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
