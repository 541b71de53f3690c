"""What no line of jobd or of its plugins may do, and what no list of packages may say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOUSE = sorted([*ROOT.glob("jobd/**/*.py"), *ROOT.glob("plugins/*/jobd_*/**/*.py")])
MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "yaml", "xml", "telnetlib", "ftplib"}
CALLS = {"eval", "exec", "compile", "__import__"}
KEYWORDS = {"shell", "verify", "check_hostname"}


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def faults(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names) if banned := MODULES & {alias.name.split(".")[0] for alias in names}:
                yield f"{node.lineno}: imports {banned}"
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in MODULES:
                yield f"{node.lineno}: imports {module}"
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                yield f"{node.lineno}: calls {name}"
            case ast.keyword(arg=str(name), value=ast.Constant(value=bool(value))) if name in KEYWORDS:
                if value is (name == "shell"):
                    yield f"{node.value.lineno}: says {name}={value}"


@pytest.mark.threat("S31", "S30")
@pytest.mark.parametrize("path", HOUSE, ids=named)
def test_no_data_becomes_code_and_no_certificate_goes_unread(path: Path) -> None:
    assert list(faults(ast.parse(path.read_text()))) == []


def test_what_is_banned_would_be_found() -> None:
    code = "import pickle\nfrom yaml import load\neval('1')\nrun(shell=True)\nget(verify=False)\nrun(shell=False)\n"
    assert len(list(faults(ast.parse(code)))) == 5


@pytest.mark.threat("S21")
def test_scripts_are_constants_and_no_text_is_put_into_them() -> None:
    sending = re.compile(r'"(?:EVAL|EVALSHA|SCRIPT|FUNCTION|FCALL)"')
    files = {named(path) for path in HOUSE if sending.search(path.read_text())}
    assert files <= {"jobd/store/link.py", "jobd/store/libraries.py"}
    for path in ROOT.glob("jobd/store/lua/**/*.lua"):
        assert not re.search(r"\b(loadstring|load|dofile|setfenv)\s*\(", path.read_text()), named(path)


@pytest.mark.threat("S22")
def test_no_script_reads_a_payload_or_a_result_as_json() -> None:
    reading = {
        named(path) for path in ROOT.glob("jobd/store/lua/**/*.lua") if "cjson" in re.sub("--.*", "", path.read_text())
    }
    assert reading <= {f"jobd/store/lua/{name}" for name in ("rule.lua", "lib/rules.lua", "lib/shelf.lua")}


@pytest.mark.threat("S50")
@pytest.mark.parametrize("name", ["constraints.txt", "constraints-dev.txt"])
def test_every_package_is_pinned_by_its_hash_and_none_by_where_it_came_from(name: str) -> None:
    text = (ROOT / "config" / name).read_text()
    packages = re.split(r"\n(?=[a-z0-9])", text.partition("\n")[2], flags=re.IGNORECASE)

    assert len(packages) > 20
    for package in packages:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+", package), package
        assert "--hash=sha256:" in package, package
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host", text)


@pytest.mark.threat("S50")
def test_the_environment_is_made_from_hashes_alone() -> None:
    script = (ROOT / "scripts" / "environment").read_text()
    assert "--require-hashes --no-deps" in script
