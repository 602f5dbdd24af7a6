"""The laws of the house: its floors, what ships, and what nowhere may be done with what was received."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from tests.hosts import agent_python
from xene.manifest.zones import zone_bytes
from xene.transport import bundle

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ("errors", "model", "engine", "wire", "agent")
BORROWED = {("xene/engine/cron.py", "cronsim")}  # ships too, and is itself all standard library
NEVER_CALLED = {"exec", "eval", "compile", "__import__", "execfile"}
NEVER_IMPORTED = {"pickle", "shelve", "dill", "cloudpickle", "yaml", "marshal", "pty", "code", "codeop"}
NEVER_USED = {"system", "popen", "getoutput", "getstatusoutput", "unsafe_load", "full_load"}
SHELLS = {
    "xene/transport/config.py",  # `Match exec`, of a file of the user's own, as ssh does
    "xene/transport/connection.py",  # `ProxyCommand`, likewise
    "xene/agent/containers.py",  # fixed scripts of entrance.py inside a container; all else is an argument
    "xene/agent/inside.py",  # likewise, what lists and signals processes inside
    "xene/agent/closing.py",  # likewise, on the host: an engine's answers are looked at
    "xene/manifest/imported.py",  # starts none: words of a manifest that it prints
    "xene/agent/workspace.py",  # rm of a fixed script; the path is an argument
}
ALLOWED = {("xene/manifest/cache.py", "marshal")}  # our own file, 0600 in a directory that is ours alone


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / "xene").rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def offences(tree: ast.AST) -> Iterator[str]:
    """What would run, unpack or hand to a shell what may have been received."""
    yield from (name.split(".")[0] for name in imported(tree) if name.split(".")[0] in NEVER_IMPORTED)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name) and called.id in NEVER_CALLED:
            yield called.id
        elif isinstance(called, ast.Attribute) and called.attr in NEVER_USED:
            yield called.attr
        for word in node.keywords:
            if word.arg == "shell" and isinstance(word.value, ast.Constant) and word.value.value is True:
                yield "shell="


def is_shell_call(source: str) -> bool:
    return any(
        isinstance(node, (ast.List, ast.Tuple))
        and any(isinstance(item, ast.Constant) and item.value == "-c" for item in node.elts)
        and any(isinstance(item, ast.Constant) and str(item.value).endswith("sh") for item in node.elts)
        for node in ast.walk(ast.parse(source))
    )


def test_nothing_received_is_run_or_unpickled() -> None:
    found = {(path, what) for path, tree in modules() for what in offences(tree)}
    assert found == ALLOWED


@pytest.mark.parametrize(
    "text", ["eval(x)", "import pickle", "from yaml import load", "os.system(x)", "f(shell=True)", "exec(x)"]
)
def test_the_law_sees_offences(text: str) -> None:
    assert list(offences(ast.parse(text)))


def test_a_shell_is_started_only_where_it_is_known_why() -> None:
    found = {path for path, _ in modules() if is_shell_call((ROOT / path).read_text())}
    assert found <= SHELLS
    assert "xene/transport/connection.py" in found  # else this finds nothing at all


def test_what_ships_needs_the_standard_library_and_itself() -> None:
    allowed = {"xene", *(f"xene.{room}" for room in SHIPPED)}
    found = set()
    for path, tree in modules():
        room = path.split("/")[1].removesuffix(".py")
        if room not in SHIPPED:
            continue
        for name in imported(tree):
            top = name.split(".")[0]
            if top == "xene":
                assert name in allowed or ".".join(name.split(".")[:2]) in allowed, f"{path} imports {name}"
            elif top not in sys.stdlib_module_names:
                found.add((path, name))
    assert found == BORROWED


def test_what_is_borrowed_needs_the_standard_library() -> None:
    assert set(bundle.BORROWED) == {name for _, name in BORROWED}
    for name, path in bundle.borrowed().items():
        package = name.split("/")[0]
        for wanted in imported(ast.parse(Path(path).read_text())):
            assert wanted.split(".")[0] in {*sys.stdlib_module_names, package}


def test_the_bundle_runs_under_the_oldest_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    built = bundle.build()
    whole = tmp_path / f"{built.sha}.pyz"
    whole.write_bytes(built.data())
    done = subprocess.run(
        [agent_python(), "-I", "-S", str(whole), "version"], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout.strip(), done.stderr) == (built.sha, "")


def test_the_bundle_knows_schedules_under_the_oldest_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    whole = tmp_path / "agent.pyz"
    whole.write_bytes(bundle.build().data())
    (tmp_path / "zone").write_bytes(zone_bytes("Europe/Berlin"))
    done = subprocess.run(
        [agent_python(), "-I", "-S", "-c", SUNDAY, str(whole), str(tmp_path / "zone")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout.strip(), done.stderr) == ("1774746000 gap", "")


SUNDAY = """
import sys
sys.path.insert(0, sys.argv[1])
from xene.engine.slots import Schedule, load_zone
from xene.model.trigger import Cron
with open(sys.argv[2], "rb") as file:
    schedule = Schedule(Cron(("30 2 29 3 *",)), load_zone(file.read()))
print(*schedule.next_after(1774700000))
"""


def test_the_floors_hold(tmp_path: Path) -> None:
    found = shutil.which("lint-imports") or str(Path(sys.executable).with_name("lint-imports"))
    done = subprocess.run(
        [found, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stdout[-3000:]
