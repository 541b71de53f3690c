"""What users install: wheels, in an environment that knows nothing of this repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (ROOT, *sorted(ROOT.glob("plugins/*/")))

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def run(*words: str | Path, cwd: Path, **environment: str) -> str:
    """The output of a program that must succeed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("JOBD_", "PYTHON", "PYTEST"))}
    done = subprocess.run(
        [os.fspath(word) for word in words],
        cwd=cwd,
        env={**clean, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A wheel of jobd and of each plugin, built from what git knows."""
    folder, source = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("source")
    files = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines()
    for name in files:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    for package in PACKAGES:
        build: list[str | Path] = [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-qq",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            folder,
        ]
        run(*build, source / package.relative_to(ROOT), cwd=source)
    return sorted(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a clean environment with the wheels, and what the plugins' tests need."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(folder, with_pip=True)
    found = folder / "bin" / "python"
    pip: list[str | Path] = [found, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps"]
    run(*pip, "--require-hashes", "-r", ROOT / "config" / "constraints-dev.txt", cwd=folder)
    run(*pip, *wheels, cwd=folder)
    return found


def test_the_wheel_of_jobd_holds_its_scripts_and_its_types(wheels: list[Path]) -> None:
    wheel = next(path for path in wheels if path.name.startswith("jobd-0"))
    names = set(zipfile.ZipFile(wheel).namelist())
    lua = {f"jobd/{path.relative_to(ROOT / 'jobd').as_posix()}" for path in ROOT.glob("jobd/**/*.lua")}
    assert lua
    assert lua <= names
    assert "jobd/py.typed" in names


@pytest.mark.requirement("1.2")
def test_plugins_are_found_where_they_are_installed(python: Path, tmp_path: Path) -> None:
    plugins = json.loads(run(python.with_name("jobd"), "plugins", "list", "-o", "json", cwd=tmp_path))
    assert [plugin["name"] for plugin in plugins["data"]] == ["email", "webhook"]
    where = run(python, "-c", "import jobd, jobd_email; print(jobd.__file__, jobd_email.__file__)", cwd=tmp_path)
    assert str(ROOT) not in where


@pytest.mark.parametrize("plugin", PACKAGES[1:], ids=lambda path: path.name)
def test_the_tests_of_a_plugin_pass_on_its_wheel(plugin: Path, python: Path, tmp_path: Path) -> None:
    shutil.copytree(plugin / "tests", tmp_path / "tests")
    shutil.copy(plugin / "pyproject.toml", tmp_path)
    said = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)
    assert " passed" in said
    assert "skipped" not in said


@pytest.mark.requirement("1.2")
def test_a_plugin_written_from_the_readme_installs_and_runs(python: Path, tmp_path: Path) -> None:
    blocks = (ROOT / "README.md").read_text().split("```")
    project = next(block for block in blocks if block.startswith("toml\n# pyproject.toml"))
    module = next(block for block in blocks if block.startswith("python\n# jobd_thumbnails/__init__.py"))
    package = tmp_path / "jobd-thumbnails"
    (package / "jobd_thumbnails").mkdir(parents=True)
    (package / "pyproject.toml").write_text(project.removeprefix("toml\n"))
    (package / "jobd_thumbnails" / "__init__.py").write_text(module.removeprefix("python\n"))
    name = tomllib.loads((package / "pyproject.toml").read_text())["project"]["name"]
    pip: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check", "-qq"]
    run(*pip, "install", "--no-deps", "--no-build-isolation", package, cwd=tmp_path)
    try:
        said = run(python, "-c", RUN_ONE, str(tmp_path / "data"), cwd=tmp_path)
    finally:
        run(*pip, "uninstall", "-y", name, cwd=tmp_path)
    assert json.loads(said.splitlines()[-1]) == {"path": "cat.png.200.png", "sum": 3}


RUN_ONE = """
import asyncio, json, os, signal, subprocess, sys
import jobd

async def main(data):
    command = [sys.executable, "-m", "jobd", "run", "--data-dir", data, "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        while "is up" not in process.stdout.readline():
            assert process.poll() is None
        os.environ["JOBD_DATA_DIR"] = data
        async with jobd.Client() as client:
            from jobd_thumbnails import Picture, make_thumbnail
            made = await (await client.enqueue(make_thumbnail, Picture(path="cat.png"))).result(60)
            total = await (await client.enqueue("add", {"a": 1, "b": 2})).result(60)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    print(json.dumps({"path": made.path, "sum": total}))

asyncio.run(main(sys.argv[1]))
"""
