"""The command line of the long run."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.soak.run import Soak
from tests.soak.verdict import faults, page


def main() -> None:
    """Does what the command line asks for. The exit code is 1 if a job ran twice or something grew."""
    parser = argparse.ArgumentParser(
        prog="scripts/soak",
        description="Lets a worker run many jobs that do nothing, without faults, enqueued by two producers, one over "
        "HTTP, on a server of its own. Counts from outside how often each ran, and looks at the memory of the "
        "worker, the API and the server ten times on the way. Exit code 1: a job ran twice, or something grew.",
    )
    parser.add_argument("--jobs", type=int, default=2_000_000, metavar="N", help="how many (2000000)")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the report there too, as Markdown")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jobd-soak-") as folder:
        soak = Soak(given.jobs, Path(folder), lambda text: print(text, file=sys.stderr, flush=True))
        runs = asyncio.run(soak.run())
    found = faults(soak.samples, runs, given.jobs)
    print(page(soak.samples, found))
    if given.page:
        given.page.write_text(page(soak.samples, found))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
