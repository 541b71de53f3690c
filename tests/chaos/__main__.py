"""The command line of the fault test."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import NoReturn

import jobd
from jobd.store.server_binary import find_server_binary
from tests.chaos.checker import RULES
from tests.chaos.ground import GROUNDS
from tests.chaos.nemesis import KINDS
from tests.chaos.report import Proof, Report
from tests.chaos.sabotage import SABOTAGES
from tests.chaos.stage import Setting
from tests.chaos.storm import Storm


def main() -> None:
    """Does what the command line asks for. The exit code is 1 if jobd, or the test itself, did not hold."""
    signal.signal(signal.SIGTERM, _end)
    given = _parser().parse_args()
    report = asyncio.run(_run(given))
    print(report.text())
    if given.page:
        report.write(given.page)
    sys.exit(0 if report.good else 1)


async def _run(given: argparse.Namespace) -> Report:
    seed = given.seed or secrets.token_hex(4)
    binary = given.server_bin or find_server_binary().path
    about = [
        f"jobd {jobd.__version__}, {time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores,",
        f"seed {seed}, {given.minutes:g} min, a fault each {given.every:g} s, "
        f"topology {given.topology}, lease {given.lease:g} s,",
        f"{given.workers} workers, {given.rate:g} jobs/s, server {binary.name}",
    ]
    with tempfile.TemporaryDirectory(prefix="jobd-chaos-") as temporary:
        folder = given.keep or Path(temporary)
        setting = Setting(folder / "storm", binary, seed, given.lease, given.workers, given.rate, given.topology)
        storm = Storm(setting, given.faults, 60 * given.minutes, given.every)
        proofs = []
        for name in given.sabotage:
            _say(f"broken on purpose: {SABOTAGES[name].about}")
            broken = storm.sabotaged(SABOTAGES[name])
            proofs.append(Proof(SABOTAGES[name], await broken.run(_say)))
            _say("seen" if proofs[-1].seen else "NOT SEEN")
        return Report(about, proofs, await storm.run(_say) if given.minutes else None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/chaos",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Breaks things around jobd while it works, and judges from what handlers and producers wrote down\n"
        "themselves whether any of its promises was broken. Starts its own server and processes, on this machine\n"
        "only. First it shows on set-ups that are broken on purpose that it would see it. Exit code 1: something\n"
        "was violated, or a sabotage was not seen. docs/reliability.md tells how to read the report.",
        epilog="examples:\n"
        "  scripts/chaos                                   half a minute, after all proofs\n"
        "  scripts/chaos --minutes 20 --page chaos.md      what a release must pass\n"
        "  scripts/chaos --seed 1a2b3c4d --sabotage none   the same schedule of faults again\n"
        "  scripts/chaos --minutes 0 --sabotage no-order   one proof\n\n"
        "faults (--faults):\n" + "\n".join(f"  {kind.name:<16}{kind.about}" for kind in KINDS.values()) + "\n\n"
        "broken set-ups (--sabotage):\n"
        + "\n".join(f"  {each.name:<18}{each.about}: {each.shows_as}" for each in SABOTAGES.values())
        + "\n\nviolations:\n"
        + "\n".join(f"  {rule.name:<21}{rule.about}" for rule in RULES.values()),
    )
    parser.add_argument(
        "--seed", metavar="WORD", help="what the schedule and the jobs are drawn from (random, printed)"
    )
    parser.add_argument(
        "--minutes", type=float, default=0.5, metavar="N", help="how long faults go on (0.5); 0: proofs only"
    )
    parser.add_argument(
        "--topology", choices=list(GROUNDS), default="one", help="of servers (one); proofs are made on one"
    )
    parser.add_argument(
        "--faults", type=_names(KINDS), default=tuple(KINDS), metavar="all|none|NAME,…", help="only these (all)"
    )
    parser.add_argument(
        "--sabotage",
        type=_names(SABOTAGES),
        default=tuple(SABOTAGES),
        metavar="all|none|NAME,…",
        help="prove these first (all)",
    )
    parser.add_argument(
        "--every", type=float, default=2.0, metavar="S", help="seconds between two faults, on average (2)"
    )
    parser.add_argument(
        "--lease", type=float, default=4.0, metavar="S", help="the lease of workers (4); jobd's default is 20"
    )
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="worker processes (2)")
    parser.add_argument("--rate", type=float, default=60.0, metavar="N", help="jobs a second that are asked for (60)")
    parser.add_argument("--server-bin", type=Path, metavar="PATH", help="the Redis or Valkey to start (jobd's own)")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the report there too, as Markdown")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep history and logs there; it must be empty")
    return parser


class _names:  # noqa: N801  a converter, as argparse wants it
    """Reads a list of names that are among `known`."""

    def __init__(self, known: Iterable[str]) -> None:
        self._known = tuple(known)

    def __call__(self, text: str) -> tuple[str, ...]:
        if text in ("all", "none"):
            return self._known if text == "all" else ()
        names = tuple(text.split(","))
        if unknown := set(names) - set(self._known):
            raise argparse.ArgumentTypeError(f"{min(unknown)!r} is none of {', '.join(self._known)}")
        return names


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
