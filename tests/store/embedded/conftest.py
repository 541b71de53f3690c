"""A directory for its data, and programs that pass for a server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jobd.store.datadir import DataDir
from jobd.store.server_binary import find_server_binary


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    return DataDir(tmp_path / "data")


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a program that passes for a server until it is to serve."""

    def make(what_it_does: str) -> Path:
        path = tmp_path / "server"
        version = f"[ \"$1\" = --version ] && echo 'Valkey server v={find_server_binary().version_text}' && exit"
        path.write_text(f"#!/bin/sh\n{version}\n{what_it_does}\n")
        path.chmod(0o755)
        return path

    return make
