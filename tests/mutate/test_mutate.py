"""The mutation run: what it breaks, and that it tells who noticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.mutate import live, lua, python
from tests.mutate.__main__ import _asked
from tests.mutate.ledger import Ledger, keys
from tests.mutate.mutant import Mutant
from tests.mutate.report import Report, explained
from tests.mutate.scope import files, mutants
from tests.mutate.trial import ROOT, Copy, Watcher

LUA = """local function held(i)
  if not raw or fence < 3 then return nil end -- if this then that
  if state ~= 'a' and holder == 'if x then y' then
    redis.call('ZREM', held_key, i)
  end
  take(i,
    of(i))
  return a > b
end
"""
PYTHON = """def ruled(attempt: int, most: int) -> str:
    if attempt < most and not is_final:
        return "…"
    late = (attempt + 1) > (most)
    return "a" if most else "b"
"""


def texts(found: list[Mutant]) -> set[tuple[str, str]]:
    return {(mutant.old, mutant.new) for mutant in found}


def test_guards_parts_of_conditions_bounds_and_steps_of_scripts_are_broken_and_nothing_else() -> None:
    assert texts(list(lua.mutants("f", LUA))) == {
        ("not raw or fence < 3", "true"),
        ("not raw or fence < 3", "false"),
        ("not raw", "false"),
        ("fence < 3", "false"),
        ("<", "<="),
        ("state ~= 'a' and holder == 'if x then y'", "true"),
        ("state ~= 'a' and holder == 'if x then y'", "false"),
        ("state ~= 'a'", "true"),
        ("holder == 'if x then y'", "true"),
        ("redis.call('ZREM', held_key, i)", "do end"),
        (">", ">="),
    }


def test_guards_parts_of_conditions_and_bounds_of_python_are_broken() -> None:
    found = list(python.mutants("f", PYTHON))

    assert texts(found) == {
        ("attempt < most and not is_final", "True"),
        ("attempt < most and not is_final", "False"),
        ("attempt < most", "True"),
        ("not is_final", "True"),
        ("attempt < most", " <= "),
        ("(attempt + 1) > (most)", " >= "),
        ("most", "True"),
        ("most", "False"),
    }
    assert all(compile(mutant.applied(PYTHON), "f", "exec") for mutant in found)


def test_a_probed_script_is_the_same_script() -> None:
    probed = lua.probed("f", LUA)

    assert "if not raw or fence < 3 then return nil end" in probed
    assert probed.count("redis.log") == 4
    assert len(probed.splitlines()) == len(LUA.splitlines())


def test_those_are_asked_who_come_by_the_place_or_by_what_leads_to_it() -> None:
    file = "jobd/store/lua/settle.lua"
    text = (ROOT / file).read_text().splitlines()
    branch = next(number for number, line in enumerate(text, 1) if line.strip() == "elseif state == 'w' then")
    delayed = next(number for number, line in enumerate(text, 1) if line.strip() == "delay(id, run.due)")
    opened = max(number for number, line in enumerate(text[:delayed], 1) if line == "    if state == 'd' then")
    tests = [Watcher(str(line), 0.1, frozenset([f"{file}:{line}"])) for line in (opened, delayed, branch + 1, 100_000)]

    def asked(line: int) -> list[str]:
        return [test.name for test in _asked(Mutant(file, line, 0, 0, "", ""), tests)]

    assert asked(branch) == [str(opened)]
    assert asked(branch + 1) == [str(branch + 1)]
    assert asked(delayed) == [str(delayed)]
    beside = [Watcher("another branch", 0.1, frozenset([f"{file}:{branch - 1}"])), tests[0]]
    assert [test.name for test in _asked(Mutant(file, branch + 1, 0, 0, "", ""), beside)] == [str(opened)]
    after = next(number for number, line in enumerate(text, 1) if line == "let_keys_go()")
    later = [Watcher("later", 0.1, frozenset([f"{file}:{after + 1}"])), *tests]
    assert [test.name for test in _asked(Mutant(file, after, 0, 0, "", ""), later)] == ["later"]


def test_there_is_something_to_break_in_every_script_but_those_that_only_look() -> None:
    harmless = [file for file in files() if not any(mutants(file))]
    assert set(harmless) <= {"jobd/store/lua/get.lua"}


def test_every_explanation_says_something_of_a_file_that_is_broken() -> None:
    for name, why in explained().items():
        assert name.partition(": ")[0] in files()
        assert why


def test_the_report_tells_what_nobody_noticed() -> None:
    report = Report({"f: a => b": "it cannot matter"})
    report.add(Mutant("f", 1, 0, 1, "a", "b"), survived=True, asked=3)
    report.add(Mutant("f", 2, 0, 1, "c", "d"), survived=True, asked=3)
    report.add(Mutant("f", 3, 0, 1, "e", "g"), survived=False, asked=3)

    assert [mutant.old for mutant, _ in report.unexplained] == ["c"]
    assert "| f | 3 | 1 | 1 | 1 |" in report.text()
    assert "f:2 (3 tests): `c` => `d`" in report.text()


def test_what_was_tried_is_not_tried_again_as_long_as_its_file_is_the_same(tmp_path: Path) -> None:
    same = [Mutant("jobd/clock.py", line, line, line, "a", "b") for line in (1, 2)]
    first, second = keys(same)
    assert first != second
    Ledger(tmp_path).note(first, noticed=True, asked=3)
    found = [Watcher("tests/a.py::b", 0.5, frozenset(["jobd/clock.py:1"]))]
    Ledger(tmp_path).note_tests(["tests"], found)

    again = Ledger(tmp_path)
    assert (again.known(first), again.known(second)) == ((True, 3), None)
    assert (again.tests(["tests"]), again.tests(["tests/store"])) == (found, None)
    assert Ledger(None).known(first) is None


def fence() -> Mutant:
    (found,) = [
        mutant
        for mutant in mutants("jobd/store/lua/settle.lua")
        if (mutant.old, mutant.new) == ("delivery.fence ~= fence", "false")
    ]
    return found


@pytest.mark.long
def test_a_broken_fence_is_noticed_and_a_harmless_change_is_not(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    tests = [Watcher("tests/store/test_settle.py", 60, frozenset())]

    assert copy.failing(tests) is None
    noticed = copy.noticed(fence(), tests)
    assert noticed is not None
    assert noticed.startswith("tests/store/test_settle.py::")


@pytest.mark.long
def test_tests_that_are_ready_notice_it_too_as_often_as_they_are_asked(tmp_path: Path) -> None:
    copy, broken = Copy(tmp_path), fence()
    harmless = Mutant(broken.file, broken.line, broken.start, broken.end, broken.old, f"({broken.old})")
    names = "test_a_fence_of_an_earlier_delivery_is_refused[completed]", "test_a_job_that_never_was_is_refused"
    tests = [Watcher(f"tests/store/test_settle.py::{name}", 5, frozenset()) for name in names]

    copy.get_ready(tests)
    try:
        found = [copy.noticed(each, tests) for each in (harmless, broken, harmless, broken)]
    finally:
        copy.close()

    assert found == [None, tests[0].name, None, tests[0].name]


def test_a_function_that_is_loaded_is_broken_with_all_that_it_makes(tmp_path: Path) -> None:
    path = str(tmp_path / "lamp.py")
    text = "WATTS = 5\nclass Lamp:\n    def on(self, bright):\n        return (lambda: WATTS if bright else 0)\n"
    loaded: dict[str, Any] = {}
    exec(compile(text, path, "exec"), loaded)
    lamp, broken = loaded["Lamp"](), text.replace("if bright", "if True")

    assert lamp.on(False)() == 0
    live.put_in(live.loaded(), path, text, broken)
    assert lamp.on(False)() == 5
    assert live.can_be_put_in(text, broken)
    assert not live.can_be_put_in(text, text.replace("5", "6"))
    called = "def watts():\n    return 5\nclass Lamp:\n    watts = watts()\n"
    assert not live.can_be_put_in(called, called.replace("5", "6"))
