"""The fault test itself, short: jobd holds, and what is broken on purpose is seen. `scripts/chaos` goes through all."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.stage import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(420)]


def chaos(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.chaos", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=400, cwd=ROOT)


@pytest.mark.parametrize("topology", ["one", "sentinel"])
def test_half_a_minute_of_faults_breaks_no_promise(topology: str, tmp_path: Path, server_binary: Path) -> None:
    page = tmp_path / "page.md"
    words = "--sabotage", "none", "--topology", topology, "--page", str(page), "--server-bin", str(server_binary)
    done = chaos(*words)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert "**VALID: no violation**" in done.stdout
    assert page.read_text().strip() == done.stdout.strip()
    assert re.search(r"seed [0-9a-f]{8}", done.stdout)


@pytest.mark.parametrize("name", ["answers-first", "forgets"])
def test_what_is_broken_on_purpose_is_seen(name: str, server_binary: Path) -> None:
    done = chaos("--minutes", "0", "--sabotage", name, "--seed", "proof", "--server-bin", str(server_binary))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "VALID: all that was broken was seen" in done.stdout


def test_a_name_that_does_not_exist_is_refused() -> None:
    done = chaos("--faults", "earthquake")
    assert done.returncode == 2
    assert "'earthquake' is none of kill-child, " in done.stderr
