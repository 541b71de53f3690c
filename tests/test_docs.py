"""The README holds what it promises: every hook, setting, command and route is named there, and the diagram is that of
the code."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from jobd.catalog import HOOKS
from jobd.cli.main import jobd
from jobd.domain.limits import LIMITS
from jobd.domain.options import ROWS
from jobd.http.routes import ROUTES, Route
from jobd.settings import SETTINGS
from jobd.settings.environment import variable
from tests.plugin_shelf import PluginShelf

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def commands(command: click.Command, path: str = "jobd") -> Iterator[str]:
    """All commands that do something: "jobd jobs list"."""
    if not isinstance(command, click.Group):
        yield path
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        yield from commands(below, f"{path} {name}")


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_named(hook: str) -> None:
    assert f"`{hook}" in README


@pytest.mark.parametrize("setting", sorted(".".join(path) for path in SETTINGS))
def test_every_setting_is_named_in_the_readme_or_in_the_file_it_points_to(setting: str) -> None:
    assert "config/jobd.toml" in README
    *sections, name = setting.split(".")
    text = (ROOT / "config" / "jobd.toml").read_text()
    for section in sections:
        text = text.partition(f"\n[{section}]")[2].partition("\n[")[0]
    assert re.search(rf"^(# )?{name} = |^\[{name}\]", text, re.MULTILINE)


@pytest.mark.parametrize("command", sorted(commands(jobd)))
def test_every_command_is_named(command: str) -> None:
    assert re.search(rf"\b{command}\b", README)


@pytest.mark.parametrize("option", ROWS)
def test_every_option_is_named_in_its_guide(option: str) -> None:
    assert f"`{option}`" in (ROOT / "docs" / "options.md").read_text()


@pytest.mark.parametrize("limit", LIMITS)
def test_every_limit_is_named_in_its_guide(limit: str) -> None:
    assert f"`{limit}`" in (ROOT / "docs" / "limits.md").read_text()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_named(route: Route) -> None:
    assert re.search(rf"\b{route.method}\W+{re.escape(route.path)}(?![\w/{{])", README)


def test_the_state_diagram_is_the_one_of_the_code() -> None:
    made = subprocess.run([sys.executable, ROOT / "scripts" / "diagram"], capture_output=True, text=True, check=True)
    blocks = re.findall(r"<!-- states -->\n(.*?)<!-- /states -->", README, re.DOTALL)
    assert blocks == [made.stdout], "run: scripts/diagram README.md"


def test_every_variable_that_is_named_is_one() -> None:
    known = {variable(path) for path in SETTINGS} | {"JOBD_TOKEN", "JOBD_CONFIG"}
    named = {name for name in re.findall(r"\bJOBD_[A-Z_]+[A-Z]\b", README) if not name.startswith("JOBD_PLUGINS__")}
    assert named
    assert named <= known


def test_the_plugin_in_the_readme_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = (block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "@jobd.hookimpl" in block)
    shelf = PluginShelf(tmp_path, monkeypatch)
    shelf.put("thumbnails", source)
    catalog = shelf.catalog()
    assert sorted(catalog.types) == ["add", "make-thumbnail"]
    assert catalog.type_named("make-thumbnail").encode({"path": "cat.png"}) == b'{"path":"cat.png"}'


def test_every_path_that_is_linked_is_there() -> None:
    linked = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", README)
    assert [path for path in linked if not (ROOT / path).exists()] == []


def test_the_page_of_promises_names_each_of_them_and_tests_that_there_are() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text()
    assert re.findall(r"^\| (G\d+) \|", page, re.MULTILINE) == [f"G{number}" for number in range(1, 30)]
    named = set(re.findall(r"tests/[\w/]+\.py", page))
    assert named
    assert not [path for path in named if not (ROOT / path).exists()]
