"""Packages as pip leaves them, for a Python whose path names their folder."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent


class Packages:
    """A folder of installed packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def install(self, name: str, entry_points: str, code: str) -> None:
        """Lays out a package with one module of the same name."""
        module = name.replace("-", "_")
        info = self.folder / f"{module}-1.2.3.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2.3\n")
        (info / "entry_points.txt").write_text(dedent(entry_points))
        (self.folder / f"{module}.py").write_text(dedent(code))
