"""What has been tried before, in a folder: a run that is broken off goes on where it was."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

from tests.mutate.mutant import Mutant
from tests.mutate.trial import ROOT, Watcher


def digest(paths: Iterable[Path]) -> str:
    """Of the contents of these files."""
    whole = sha256()
    for path in sorted(paths):
        whole.update(path.read_bytes())
    return whole.hexdigest()[:16]


class Ledger:
    """Results hold as long as the broken file is the same; which test comes by which line, as long as all are."""

    def __init__(self, folder: Path | None) -> None:
        """Without a folder it forgets."""
        self._folder = folder
        self._tried: dict[str, tuple[bool, int]] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            for line in self._lines():
                key, noticed, asked = json.loads(line)
                self._tried[key] = noticed, asked

    def _lines(self) -> list[str]:
        assert self._folder is not None
        file = self._folder / "tried"
        return file.read_text().splitlines() if file.exists() else []

    def known(self, key: str) -> tuple[bool, int] | None:
        """Whether a break was noticed, and by how many tests it could have been; None if it was not tried yet."""
        return self._tried.get(key)

    def note(self, key: str, *, noticed: bool, asked: int) -> None:
        """A break was tried."""
        self._tried[key] = noticed, asked
        if self._folder is not None:
            with (self._folder / "tried").open("a") as file:
                file.write(json.dumps([key, noticed, asked]) + "\n")

    def tests(self, suites: Sequence[str]) -> list[Watcher] | None:
        """What was found out of these suites, if all sources are as they were."""
        file = self._reach(suites)
        if file is None or not file.exists():
            return None
        return [Watcher(name, seconds, frozenset(lines)) for name, seconds, lines in json.loads(file.read_text())]

    def note_tests(self, suites: Sequence[str], tests: Sequence[Watcher]) -> None:
        """Which test comes by which line."""
        if file := self._reach(suites):
            file.write_text(json.dumps([[test.name, test.seconds, sorted(test.lines)] for test in tests]))

    def _reach(self, suites: Sequence[str]) -> Path | None:
        if self._folder is None:
            return None
        sources = [
            path for part in ("jobd", "tests") for kind in ("py", "lua") for path in (ROOT / part).rglob(f"*.{kind}")
        ]
        return self._folder / f"reach-{digest(sources)}-{sha256(' '.join(suites).encode()).hexdigest()[:8]}"


def keys(mutants: Sequence[Mutant]) -> list[str]:
    """What breaks are known by, as long as their files are the same: several have the same words."""
    times: Counter[str] = Counter()
    files = {file: digest([ROOT / file]) for file in {mutant.file for mutant in mutants}}
    found = []
    for mutant in mutants:
        times[mutant.name] += 1
        found.append(f"{files[mutant.file]} {times[mutant.name]} {mutant.name}")
    return found
