"""Every example runs to its end on the embedded agent, through the CLI; so does what `init` lays out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.commands.terminal import ROOT, Terminal

EXAMPLES = ROOT / "examples" / "workflows"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.yaml") if path.stem != "xene")


@pytest.fixture(scope="module")
def host(control_host: Terminal) -> Terminal:
    """A control host with the examples applied."""
    control_host("apply", str(EXAMPLES), code=0)
    return control_host


def test_the_examples_have_the_parts_that_the_readme_names() -> None:
    assert {"hello", "ci-build", "backup", "report"} <= set(NAMES)


def test_everything_is_scheduled_on_the_embedded_agent(host: Terminal) -> None:
    rows = host("get", "pipelines", "-o", "json", code=0).json
    assert {(row["phase"], row["agent"]) for row in rows} == {("Scheduled", "local")}
    assert {row["workflow"] for row in rows} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs(name: str, host: Terminal) -> None:
    ended = host("run", name, "--wait", "-o", "json", code=0)
    for run in ended.json:
        assert run["phase"] == "Success", ended.err
        assert all(task["phase"] == "Success" for task in run["tasks"].values())


def test_the_backup_has_a_pipeline_for_each_host(host: Terminal) -> None:
    assert len(host("run", "backup", "--wait", code=0).out.split()) == 3


def test_outputs_of_the_examples(host: Terminal) -> None:
    report = host("run", "report", "-p", "lines=40", "--wait", "-o", "json", code=0).json[0]
    assert report["tasks"]["report"]["outputs"]["total"] == str(40 * 6)
    hello = host("run", "hello", "-p", "who=Ada", "--wait", code=0).out.split()[0]
    assert "Hello, Ada, from " in host("logs", hello, code=0).out


def test_a_build_of_a_repository_of_your_own(host: Terminal, tmp_path: Path) -> None:
    def git(*words: str) -> None:
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "test_one.py").write_text(
        "import unittest\n\nclass T(unittest.TestCase):\n    def test(self): pass\n"
    )
    for words in (["init", "-b", "trunk"], ["add", "."], ["commit", "-m", "one"]):
        git(*words)
    run = host("run", "ci-build", "-p", f"repo={tmp_path}", "-p", "ref=trunk", "--wait", "-o", "json", code=0)
    assert run.json[0]["tasks"]["package"]["outputs"]["file"].startswith("build-")


def test_what_init_lays_out_can_be_applied_and_run(host: Terminal) -> None:
    host("init", "mine", code=0)
    host("apply", "mine", "--take-over", code=0)
    assert "Hello, world, from " in host("run", "hello", "--follow", code=0).err
