"""Every example runs to its end on the embedded agent, through the CLI; so does what `init` lays out."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.commands.terminal import ROOT, Terminal
from tests.containers import podman_engine
from tests.hosts import agent_homes, until

EXAMPLES = ROOT / "examples" / "workflows"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.yaml") if path.stem != "xene")
ASKS, BOXED, ODD = "schema-change", "boxed", {"deploy", "release"}  # they have tests of their own
TOKEN = "correct-horse-battery"


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


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {ASKS, BOXED, *ODD}])
def test_an_example_runs(name: str, host: Terminal) -> None:
    ended = host("run", name, "--wait", "-o", "json", code=0, UPLOAD_TOKEN=TOKEN)
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


def tasks_of(host: Terminal, *words: str) -> dict[str, Any]:
    """How each task of the one run ended: its reason, or else its phase."""
    (run,) = host("run", *words, "--wait", "-o", "json", code=0).json
    return {name: task["reason"] or task["phase"] for name, task in run["tasks"].items()}


def test_a_deployment_and_one_that_is_rolled_back(host: Terminal) -> None:
    well = tasks_of(host, "deploy")
    assert (well["rollback"], well["notes"], well["announce"]) == ("Omitted", "Skipped", "Success")
    assert host("logs", "deploy/web", "announce/say").out == "live: release 42\n"
    sick = tasks_of(host, "deploy", "-p", "sick=true", "-p", "notes=true")
    assert (sick["probe"], sick["rollback"], sick["notes"]) == ("StepFailed", "Success", "Success")
    assert host("logs", "deploy/web", "announce/say").out == "live: release 41\n"
    assert host("logs", "deploy/web", "unlock/give").out == "the deployment was a success\n"


def test_a_busy_mirror_is_tried_again(host: Terminal) -> None:
    (run,) = host("run", "mirror", "--wait", "-o", "json", code=0).json
    assert run["tasks"]["fetch"]["outputs"]["tries"] == "3"
    first = host("logs", run["id"], "fetch/download", "--attempt", "1", code=0).out
    assert first == "try 1: the server is busy\n"


def test_as_many_parts_as_there_are(host: Terminal) -> None:
    (run,) = host("run", "shards", "--wait", "-o", "json", code=0).json
    assert run["tasks"]["suite"]["outputs"]["passed"] == ["2", "2", "1"]
    assert run["tasks"]["sum"]["outputs"]["passed"] == "5"
    (run,) = host("run", "shards", "-p", "size=5", "--wait", "-o", "json", code=0).json
    assert "suite[1]" in run["tasks"] and "suite[2]" not in run["tasks"]


def test_a_release_is_handed_on(host: Terminal, tmp_path: Path) -> None:
    runs = host("run", "release", "--wait", "-o", "json", code=0).json
    assert [run["pipeline"] for run in runs] == ["build", "install"]
    assert host("logs", "release/install", "unpack/start").out == "shop 2.0\n"
    host("artifacts", "release/build", "package", "--to", str(tmp_path / "out"), code=0)
    assert (tmp_path / "out" / "dist" / "shop-2.0.tar.gz").exists()
    host("run", "release/install", "--artifacts-from", "release/build", "--wait", code=0)


def test_a_change_is_made_when_somebody_agrees(host: Terminal) -> None:
    run = host("run", ASKS, code=0).out.strip()
    until(lambda: "WaitingForApproval" in (host("reconcile"), host("get", "runs", run).out)[1], "it asks")
    assert "Forbid" in host("run", ASKS, code=7).err
    host("approve", run, "apply", "-m", "looks right", code=0)
    host("wait", run, code=0)
    assert "'mail', 'since'" in host("logs", run, "apply/change").out


def test_a_token_is_nowhere(host: Terminal) -> None:
    """Without it nothing starts; with it no log has it."""
    assert "UPLOAD_TOKEN" in host("run", "upload", "--wait", code=1).err
    host("run", "upload", "--wait", code=0, UPLOAD_TOKEN=TOKEN)
    said = host("logs", "upload/files").out
    assert "Bearer ***" in said and TOKEN not in said


def test_in_a_container(tmp_path: Path) -> None:
    with podman_engine() as podman, agent_homes(tmp_path):
        podman.run("tag", podman.image, "docker.io/library/busybox:1")
        xene = Terminal(tmp_path / "home", ROOT, podman.settings)
        (run,) = xene("run", str(EXAMPLES / "boxed.yaml"), "-q", "-o", "json", code=0).json
        outputs = run["tasks"]["compile"]["outputs"]
        assert outputs["words"] == "2" and outputs["host"] != os.uname().nodename


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
