"""Plugins that tests write: real packages with real metadata, installed for one test."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path
from textwrap import dedent

import pytest

from jobd.catalog import Catalog


class PluginShelf:
    """A directory on the path into which packages are put. Other plugins that are installed here are left out."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._others = {entry.name for entry in entry_points(group="jobd")}
        self._directory = directory
        self._monkeypatch = monkeypatch
        monkeypatch.syspath_prepend(directory)

    def put(self, name: str, source: str, *, package: str | None = None, module: str | None = None) -> None:
        """Installs a package of one module, with the plugin `name`; `source` is what stands in the module."""
        package = package or f"jobd-{name}"
        module = module or f"shelf_{name.replace('-', '_')}"
        (self._directory / f"{module}.py").write_text("import jobd\n" + dedent(source))
        about = self._directory / f"{package.replace('-', '_')}-1.2.dist-info"
        about.mkdir(exist_ok=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        (about / "entry_points.txt").write_text(f"[jobd]\n{name} = {module}\n")
        self._monkeypatch.delitem(sys.modules, module, raising=False)

    def catalog(self, *without: str) -> Catalog:
        """What is found."""
        return Catalog.of_installed(without={*without, *self._others})
