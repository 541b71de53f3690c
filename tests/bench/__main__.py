"""The command line of the benchmark."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

import jobd
from jobd.store.server_binary import find_server_binary
from tests.bench.contender import Contender, earlier, read_contenders
from tests.bench.environments import Environments
from tests.bench.parts.all import PARTS
from tests.bench.parts.latency import LATENCY
from tests.bench.parts.part import Bench, Part
from tests.bench.process import BenchError
from tests.bench.report.findings import Findings
from tests.bench.report.page import page, write
from tests.bench.report.plot import plot

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".bench"
QUICK = ("drain", "enqueue", "latency", "memory")


def main() -> None:
    """Measures what the command line asks for."""
    signal.signal(signal.SIGTERM, _end)
    contenders = read_contenders()
    given = _parser(contenders).parse_args()
    if given.before:
        contenders["before"] = earlier(contenders["jobd"], given.before)
    environments = Environments(given.cache)
    if given.quick:
        given.peers, given.only = "none", given.only or QUICK
    peers = _peers(given.peers, contenders, environments)
    chosen = [contender for contender in contenders.values() if contender.kind != "peer" or contender in peers]
    parts = [part for part in PARTS if not given.only or part.name in given.only]
    bench = Bench(given.jobs, given.probes, given.full, given.fsync, given.seconds, environments)
    findings = Findings(chosen, parts)
    try:
        # an idle machine is what it was before all others
        for part in sorted(parts, key=lambda part: part is not LATENCY):
            for repetition in range(given.repeat if part.repeated else 1):
                _measure(bench, findings, part, f"{repetition + 1}/{given.repeat} {part.name}")
    finally:  # what has been measured is not lost when something breaks or somebody interrupts
        _say("")
        _report(given, findings)
    if findings.failures:
        sys.exit(1)


def _measure(bench: Bench, findings: Findings, part: Part, turn: str) -> None:
    """All contenders, one after the other."""
    for contender in findings.contenders:
        if part.takes(contender):
            _say(f"{turn}: {contender.title}")
            try:
                findings.add(contender, part.measure(bench, contender))
            except BenchError as error:
                findings.failures.append(f"{part.name}, {contender.title}: {error}")


def _report(given: argparse.Namespace, findings: Findings) -> None:
    said = about(given, findings)
    print(page(said, findings))
    if given.json:
        given.json.write_text(json.dumps({"about": said, "figures": findings.figures}, indent=1))
    if given.markdown:
        write(given.markdown, said, findings)
    if given.plot:
        given.plot.write_text(plot(findings))


def _peers(asked: str, contenders: dict[str, Contender], environments: Environments) -> list[Contender]:
    """Those who take part, with their environments made. Without a wish: those whose environments are there."""
    peers = [contender for contender in contenders.values() if contender.kind == "peer"]
    if asked == "none":
        return []
    if asked == "ready":
        return [peer for peer in peers if environments.ready(peer)]
    names = [peer.name for peer in peers] if asked == "all" else asked.split(",")
    if unknown := set(names) - {peer.name for peer in peers}:
        sys.exit(f"--peers: {min(unknown)!r} is none of {', '.join(peer.name for peer in peers)}")
    found = []
    for peer in peers:
        if peer.name in names:
            try:
                if not environments.ready(peer):
                    _say(f"installing {peer.title} (once)")
                environments.make(peer)
                found.append(peer)
            except BenchError as error:
                _say("")
                print(f"without {peer.title}: {error}", file=sys.stderr)
    return found


def _parser(contenders: dict[str, Contender]) -> argparse.ArgumentParser:
    names = ", ".join(contender.name for contender in contenders.values() if contender.kind == "peer")
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measures jobd, as `jobd run` starts it, beside bare floors and beside other queues on Redis.\n"
        "Each measurement has a server of its own on a unix socket; after each run of jobd every result is checked.",
        epilog="parts (--only):\n"
        + "\n".join(f"  {part.name:<10}{part.about}" for part in PARTS)
        + f"\n\npeers (--peers): {names}",
    )
    parser.add_argument("--jobs", type=int, default=100_000, metavar="N", help="no-op jobs of a drain (100000)")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="repetitions; medians are told (3)")
    parser.add_argument("--only", type=_names, default=(), metavar="PART,…", help="only these parts, see below")
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}, without peers")
    parser.add_argument(
        "--peers", default="ready", metavar="all|none|NAME,…", help="other queues beside it (those installed before)"
    )
    parser.add_argument("--before", type=Path, metavar="DIR", help="another checkout of jobd, to be measured beside it")
    parser.add_argument("--fsync", choices=["off", "everysec", "always"], default="off", help="of the server (off)")
    parser.add_argument("--full", action="store_true", help="backlogs of 1 000 000 jobs, and not of 100 000")
    parser.add_argument("--probes", type=int, default=300, metavar="N", help="jobs that latency is taken from (300)")
    parser.add_argument(
        "--seconds", type=float, default=4.0, metavar="S", help="how long a drain of a slower peer may take (4)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="put the tables there, between the marks")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write a plot (SVG) there")
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help="where peers are installed (.bench)")
    return parser


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - {part.name for part in PARTS}:
        raise argparse.ArgumentTypeError(f"there is no part {min(unknown)!r}")
    return names


def about(given: argparse.Namespace, findings: Findings) -> str:
    """When, where and how."""
    server = find_server_binary()
    words = [f"jobd {jobd.__version__}", time.strftime("%Y-%m-%d"), f"Python {platform.python_version()}"]
    if any(contender.language == "node" for contender in findings.contenders):
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=30)
        words.append(f"Node {node.stdout.strip().removeprefix('v')}")
    words.append(f"{server.product} {'.'.join(map(str, server.version))} on a unix socket, {os.cpu_count()} cores")
    words.append(f"{given.jobs:,} jobs a drain, fsync {given.fsync}, medians of {given.repeat}")
    if given.full:
        words.append("backlogs of 1 000 000")
    return ", ".join(words)


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
