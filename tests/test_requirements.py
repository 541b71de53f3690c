"""`scripts/requirements`: which test shows which row."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "requirements"

ROWS = """
done = ["1.1"]
[rows]
"1.1" = "the first"
"1.2" = "the second"
"""


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tests" / "deep").mkdir(parents=True)
    (tmp_path / "plugins" / "one" / "tests").mkdir(parents=True)
    (tmp_path / "tests" / "requirements.toml").write_text(ROWS)
    return tmp_path


def test_every_row_that_is_done_has_a_test_and_every_mark_names_a_row() -> None:
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert "53 rows" in done.stdout


@pytest.mark.threat("S46")
def test_every_threat_is_guarded_against_or_has_the_rule_that_its_surface_will_obey() -> None:
    table = tomllib.loads((SCRIPT.parents[1] / "tests" / "threats.toml").read_text())
    told = (SCRIPT.parents[1] / "SECURITY.md").read_text()

    assert {*table["done"], *table["later"]} == set(table["rows"])
    assert not {*table["done"]} & {*table["later"]}
    for row in table["rows"]:
        assert f"| {row} |" in told, f"SECURITY.md says nothing of {row}"


def test_marks_are_found_wherever_they_stand(root: Path) -> None:
    (root / "tests" / "deep" / "test_it.py").write_text(
        "import pytest\n"
        '@pytest.mark.requirement("1.1")\n'
        '@pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.requirement("1.2"))])\n'
        "async def test_one(n): ...\n"
        '@pytest.mark.requirement("1.1", "1.2")\n'
        "class TestTwo:\n"
        "    def test_two(self): ...\n"
    )
    (root / "plugins" / "one" / "tests" / "test_one.py").write_text(
        'import pytest\npytestmark = [pytest.mark.requirement("1.2")]\ndef test_three(): ...\n'
    )
    done = run(root)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "1.1   the first",
        "        tests/deep/test_it.py::test_one",
        "        tests/deep/test_it.py::TestTwo",
        "1.2   the second  (open)",
        "        tests/deep/test_it.py::test_one",
        "        tests/deep/test_it.py::TestTwo",
        "        plugins/one/tests/test_one.py",
        "",
        "2 rows: 1 done, 2 with tests",
    ]


@pytest.mark.parametrize("row", ['"1.3"', '"one"', "1.1", "ROW"])
def test_a_mark_that_names_no_row_fails(root: Path, row: str) -> None:
    (root / "tests" / "test_it.py").write_text(
        f'@pytest.mark.requirement("1.1")\ndef test_one(): ...\n@pytest.mark.requirement({row})\ndef test_two(): ...\n'
    )
    done = run(root)
    assert done.returncode == 1
    assert done.stderr.startswith("tests/test_it.py::test_two: there is no row ")


def test_a_row_that_is_done_and_has_no_test_fails(root: Path) -> None:
    done = run(root)
    assert (done.returncode, done.stderr) == (1, "row 1.1 is said to be done, and no test shows it\n")


def test_a_row_that_is_done_and_is_no_row_fails(root: Path) -> None:
    (root / "tests" / "requirements.toml").write_text('done = ["9.9"]\n[rows]\n"1.1" = "the first"\n')
    done = run(root)
    assert (done.returncode, done.stderr) == (1, "there is no row 9.9, which is said to be done\n")
