"""`validate`: every problem at once, on stdout; counts on stderr."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.terminal import ROOT, Terminal

GOOD = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: NAME}
spec:
  pipelines:
    build:
      placement: {agent: AGENT}
      tasks:
        one: {steps: [{name: s, run: "true"}]}
"""


def manifest(directory: Path, name: str, agent: str = "local", **replace: str) -> Path:
    directory.mkdir(exist_ok=True)
    text = GOOD.replace("NAME", name).replace("AGENT", agent)
    for old, new in replace.items():
        text = text.replace(old, new)
    path = directory / f"{name}.yaml"
    path.write_text(text)
    return path


def test_a_good_directory_says_what_it_found(xene: Terminal) -> None:
    manifest(xene.cwd / "m", "a")
    manifest(xene.cwd / "m", "b")
    ended = xene("validate", "m", code=0)
    assert (ended.out, ended.err) == ("", "no problems: 2 workflows in 2 files\n")
    assert xene("validate", "-q", "m", code=0).err == ""
    assert xene("validate", "m", "-o", "json", code=0).json == []


def test_all_problems_of_all_files(xene: Terminal) -> None:
    manifest(xene.cwd / "m", "a", tasks="tasts")
    manifest(xene.cwd / "m", "b", steps="stebs")
    ended = xene("validate", "m", code=3)
    assert "m/a.yaml:8:7: unknown-key" in ended.out and "m/b.yaml:9:" in ended.out
    assert "did you mean 'tasks'?" in ended.out and "^" in ended.out
    assert ended.err.startswith("error: ") and ended.err.endswith(" in 2 files\n")
    data = xene("validate", "m", "-o", "json", code=3).json
    assert {Path(problem["file"]).name for problem in data} == {"a.yaml", "b.yaml"}
    assert set(data[0]) == {"file", "line", "col", "code", "message", "hint"}


def test_references_resolve_over_all_paths(xene: Terminal) -> None:
    manifest(xene.cwd / "m", "a", agent="build-1")
    assert "unresolved-reference" in xene("validate", "m", code=3).out
    agents = xene.cwd / "agents"
    agents.mkdir()
    (agents / "one.yaml").write_text(
        "apiVersion: xene/v1\nkind: Agent\nmetadata: {name: build-1}\nspec: {local: {}}\n"
    )
    xene("validate", "m", "agents", code=0)


def test_a_manifest_cannot_steer_the_terminal(xene: Terminal) -> None:
    manifest(xene.cwd / "m", "a", one='"o\\e[2Jne"')
    (xene.cwd / "m" / "z\x1b[2J.yaml").write_text("\x1b[2J: 1")
    ended = xene("validate", "m", code=3)
    assert "\x1b" not in ended.out + ended.err


def test_a_path_that_is_not_there(xene: Terminal) -> None:
    assert xene("validate", "nothing", code=4).out == ""


@pytest.mark.parametrize("path", ["examples/workflows", "examples/agents"])
def test_the_examples_are_valid(path: str, xene: Terminal) -> None:
    xene("validate", str(ROOT / path), code=0)


def test_what_init_writes_is_valid(xene: Terminal) -> None:
    xene("init", "demo", code=0)
    assert "1 workflow in 1 file" in xene("validate", "demo", code=0).err
    sample = xene.cwd / "demo" / "agents" / "build-1.yaml.sample"
    lines = sample.read_text().splitlines()[4:]
    text = "\n".join(line[2:] for line in lines) + "\n"
    (sample.parent / "build-1.yaml").write_text(text)
    assert "1 workflow, 1 agent" in xene("validate", "demo", code=0).err


def test_paths_that_overlap_count_once_and_names_are_unique_over_all_of_them(xene: Terminal) -> None:
    one = manifest(xene.cwd / "m", "a")
    ended = xene("validate", "m", "m/a.yaml", str(one), code=0)
    assert ended.err == "no problems: 1 workflow in 1 file\n"
    other = manifest(xene.cwd / "n", "a")
    ended = xene("validate", "m/a.yaml", "n/a.yaml", code=3)
    assert ended.out.startswith(f"n/{other.name}:3:18: duplicate-object: ") and "at m/a.yaml:3" in ended.out
    assert ended.err == "error: 1 problem in 1 file\n"
