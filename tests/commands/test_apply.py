"""`diff` and `apply` as processes over the embedded agent: what is printed where, and every exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.terminal import Terminal, on_a_terminal

WORKFLOW = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: NAME}
spec:
  pipelines:
    build:
      placement: {agentSelector: {matchLabels: {LABEL}}}
      tasks:
        one: {steps: [{name: s, run: SCRIPT}]}
"""
DEAD = """\
apiVersion: xene/v1
kind: Agent
metadata: {name: dead}
spec: {ssh: {host: 127.0.0.1, port: 1, user: u}}
"""
LOCAL = "apiVersion: xene/v1\nkind: Agent\nmetadata: {name: local}\nspec: {local: {}, home: HOME}\n"


def write(directory: Path, name: str, script: str = "true", label: str = "") -> None:
    directory.mkdir(exist_ok=True)
    text = WORKFLOW.replace("NAME", name).replace("SCRIPT", f'"{script}"').replace("LABEL", label)
    (directory / f"{name}.yaml").write_text(text)


@pytest.fixture
def host(xene: Terminal) -> Terminal:
    """A control host of its own for each test, with a source `m`."""
    (xene.cwd / "m").mkdir()
    (xene.cwd / "m" / "xene.yaml").write_text("name: m\n")
    for name in ("a", "b", "c"):
        write(xene.cwd / "m", name)
    return xene


def test_diff_then_apply_then_nothing(host: Terminal) -> None:
    shown = host("diff", "m", code=1)
    assert "+ Workflow a\n" in shown.out and "  a/build -> local\n" in shown.out and shown.err == ""
    assert not host.home.exists()
    digest = shown.out.split("plan ")[1].split(":")[0]
    applied = host("apply", "m", "--if-unchanged", digest, code=0)
    assert "3 created" in applied.out and applied.err.splitlines()[-1] == "applied"
    again = host("apply", "m", code=0)
    assert again.out.endswith("0 created, 0 changed, 0 removed, 3 unchanged\n") and again.err == ""
    assert host("diff", "m", code=0).out == again.out


def test_a_change_is_told_field_by_field(host: Terminal) -> None:
    host("apply", "m", code=0)
    write(host.cwd / "m", "a", "false")
    shown = host("diff", "m", code=1).out
    assert "~ Workflow a\n    ~ spec.pipelines.build.tasks.one.steps[s].run: " in shown
    assert "Placement" not in shown
    data = host("diff", "m", "-o", "json", code=1).json
    fields = {change["name"]: change["fields"] for change in data["changes"]}
    assert fields["a"][0]["new"] == "false" and fields["b"] == []
    assert host("diff", "m", "-o", "name", code=1).out == "workflow/a\n"


def test_json_of_an_apply_is_alone_on_stdout(host: Terminal) -> None:
    ended = host("apply", "m", "-o", "json", code=0)
    assert ended.json["untold"] == [] and ended.json["notScheduled"] == []
    assert {row["agent"] for row in ended.json["pipelines"]} == {"local"}
    assert host("apply", "m", "-o", "name", code=0).out == ""


def test_a_removal_wants_yes_without_a_terminal(host: Terminal) -> None:
    host("apply", "m", code=0)
    (host.cwd / "m" / "c.yaml").unlink()
    refused = host("apply", "m", code=7)
    assert "this removes Workflow c" in refused.err and "--yes" in refused.err
    assert len(host("get", "wf", "-o", "json").json) == 3
    host("apply", "m", "--no-prune", code=0)
    assert len(host("get", "wf", "-o", "json").json) == 3
    host("apply", "m", "--yes", code=0)
    assert len(host("get", "wf", "-o", "json").json) == 2


def test_a_removal_is_asked_about_on_a_terminal(host: Terminal) -> None:
    host("apply", "m", code=0)
    (host.cwd / "m" / "c.yaml").unlink()
    words = host.command("apply", str(host.cwd / "m"))
    code, shown = on_a_terminal(words, host.environment(), b"n\n")
    assert code == 7 and "this removes Workflow c. Go on? [y/N]" in shown and "not agreed to" in shown
    code, shown = on_a_terminal(words, host.environment(), b"y\n")
    assert code == 0 and "- Workflow c" in shown
    assert len(host("get", "wf", "-o", "json").json) == 2


def test_the_guards(host: Terminal) -> None:
    host("apply", "m", code=0)
    for name in "bc":
        (host.cwd / "m" / f"{name}.yaml").unlink()
    assert "--allow-empty" in host("apply", "m", "--yes", code=7).err
    (host.cwd / "m" / "a.yaml").unlink()
    assert "no manifests" in host("apply", "m", "--yes", code=7).err
    assert host("apply", "m", "--yes", "--dry-run", code=7).out.count("- Workflow") == 3
    host("apply", "m", "--yes", "--allow-empty", code=0)
    assert host("get", "wf", "-o", "json").json == []


def test_a_file_never_prunes(host: Terminal) -> None:
    host("apply", "m", code=0)
    assert "1 unchanged" in host("apply", "m/a.yaml", code=0).out
    assert len(host("get", "wf", "-o", "json").json) == 3


def test_ownership(host: Terminal) -> None:
    host("apply", "m", code=0)
    assert "belongs to the source m" in host("apply", "m", "--source", "other", code=7).err
    assert host("diff", "m", "--source", "other", code=1).out.count("! Workflow") == 3
    host("apply", "m", "--source", "other", "--take-over", code=0)
    assert {row["source"] for row in host("get", "wf", "-o", "json").json} == {"other"}


def test_an_invalid_manifest_changes_nothing(host: Terminal) -> None:
    (host.cwd / "m" / "d.yaml").write_text(
        "apiVersion: xene/v1\nkind: Workflow\nmetadata: {name: D}\nspec: {}\n"
    )
    for verb in ("diff", "apply"):
        ended = host(verb, "m", code=3)
        assert "m/d.yaml:3:" in ended.err and "nothing was changed" in ended.err and ended.out == ""
    assert not host.home.exists()


def test_a_plan_that_has_moved(host: Terminal) -> None:
    assert "have moved since" in host("apply", "m", "--if-unchanged", "000000000000", code=7).err
    assert not host.home.exists()


def test_dry_run_writes_nothing(host: Terminal) -> None:
    ended = host("apply", "m", "--dry-run", code=0)
    assert "3 created" in ended.out and "dry run" in ended.err
    assert not host.home.exists()


def test_what_cannot_be_placed_is_a_warning_and_with_wait_exit_5(host: Terminal) -> None:
    write(host.cwd / "m", "d", label='gpu: "yes"')
    assert "d/build not scheduled: NoAgentMatches" in host("diff", "m", code=1).out
    assert "warning: d/build is not scheduled: NoAgentMatches" in host("apply", "m", code=0).err
    waited = host("apply", "m", "--wait", code=5)
    assert "xene why pipeline/d/build" in waited.err
    assert host("why", "pipeline/d/build", code=0).out.startswith("pipeline d/build is NotScheduled")
    refused = host("run", "d", code=5)
    assert refused.out == "" and host("get", "runs", "-o", "json").json == []


def test_an_agent_that_cannot_be_told_is_exit_5_and_named(host: Terminal) -> None:
    (host.cwd / "m" / "agents.yaml").write_text(
        LOCAL.replace("HOME", str(host.cwd / "agent")) + "---\n" + DEAD
    )
    ended = host("apply", "m", code=5)
    assert "applied, but 1 agent could not be told: dead: Unreachable" in ended.err
    assert "xene why agent/dead" in ended.err
    assert len(host("get", "wf", "-o", "json").json) == 3
    assert "ConnectionRefused" in host("why", "agent/dead", code=0).out
    host("reconcile", code=0)
    assert host("agent", "rm", "dead", code=0).err == "agent dead is gone\n"
    host("agent", "rm", "dead", "--lost", code=4)
    assert [row["name"] for row in host("get", "agents", "-o", "json").json] == ["local"]


def test_a_path_that_is_not_there(host: Terminal) -> None:
    assert host("apply", "nothing", code=4).out == ""
