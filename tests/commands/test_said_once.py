"""What went wrong is said once, and briefly: no message twice on one screen, no wall of text."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.terminal import Terminal
from tests.commands.test_apply import DEAD, LOCAL, write
from tests.hosts import sshd_hosts

FAILS = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: fails}
spec: {pipelines: {p: {tasks: {t: {steps: [{name: s, run: exit 3}]}}}}}
"""


@pytest.fixture
def host(xene: Terminal) -> Terminal:
    (xene.cwd / "m").mkdir()
    write(xene.cwd / "m", "a")
    return xene


def test_followed_off_a_terminal_the_end_is_told_once(host: Terminal) -> None:
    (host.cwd / "m" / "fails.yaml").write_text(FAILS)
    host("apply", "m", code=0)
    followed = host("run", "fails", "--follow", code=1)
    run = followed.out.strip()
    assert [line for line in followed.err.splitlines() if f"{run}: Error" in line] == [
        line for line in followed.err.splitlines() if line.startswith("fails/p") and "StepFailed" in line
    ][-1:]
    assert followed.err.splitlines()[-1] == f"hint: xene why run/{run}"
    waited = host("run", "fails", "--wait", code=1)
    assert waited.err.count("StepFailed") == 1


def test_an_agent_in_trouble_is_told_in_full_once(host: Terminal) -> None:
    (host.cwd / "m" / "agents.yaml").write_text(DEAD)
    ended = host("apply", "m", code=5)
    assert ended.err.count("127.0.0.1") == 1 and "agent dead:" not in ended.err
    assert (
        "warning: a/build is not scheduled: NoAgentReady: dead: Unreachable, ConnectionRefused\n" in ended.err
    )
    told = host("why", "pipeline/a/build", code=0).out.splitlines()
    assert told[0] == "pipeline a/build is NotScheduled, NoAgentReady"
    assert told[1].startswith("  dead: Unreachable, ConnectionRefused: ") and "127.0.0.1" in told[1]
    assert "127.0.0.1" not in host("run", "a", code=5).err
    assert host("diff", "m", code=0).out.count("ConnectionRefused") == 1


def test_several_agents_in_trouble_are_a_line_each(host: Terminal) -> None:
    names = ["dead", "deader", *(f"gone-{number}" for number in range(5))]
    (host.cwd / "m" / "agents.yaml").write_text("---\n".join(DEAD.replace("dead", name) for name in names))
    lines = host("apply", "m", code=5).err.splitlines()
    start = lines.index("error: applied, but 7 agents could not be told:")
    assert lines[start + 1].startswith("  dead: Unreachable") and lines[start + 2].startswith("  deader: ")
    assert lines[start + 8] == "hint: xene why agent/dead" and lines[start + 7].startswith("  gone-4: ")


def test_a_label_that_nobody_has(host: Terminal) -> None:
    (host.cwd / "m" / "agents.yaml").write_text(LOCAL.replace("HOME", str(host.cwd / "agent")))
    write(host.cwd / "m", "d", label='gpu: "yes"')
    applied = host("apply", "m", code=0)
    assert "d/build not scheduled: NoAgentMatches\n      not local: LabelsDiffer: " in applied.out
    assert applied.err.splitlines()[-2:] == ["hint: xene why pipeline/d/build", "applied"]
    assert host("why", "pipeline/d/build", code=0).out.splitlines()[0] == (
        "pipeline d/build is NotScheduled, NoAgentMatches"
    )


def test_why_without_a_kind_is_a_pipeline_where_there_is_one(host: Terminal) -> None:
    host("apply", "m", code=0)
    assert host("why", "a/build", code=0).out == host("why", "pipeline/a/build", code=0).out
    assert "no such kind: b" in host("why", "b/build", code=2).err


def test_names_of_no_run_and_a_cancel_that_comes_too_late(host: Terminal) -> None:
    host("apply", "m", code=0)
    run = host("run", "a", "--wait", code=0).out.strip()
    assert "ended already" in host("cancel", run, code=7).err
    assert "there is no run or pipeline nothing" in host("get", "run", "nothing", code=4).err


def test_trusting_a_host_greets_it(tmp_path: Path) -> None:
    with sshd_hosts(tmp_path, 1) as hosts:
        (tmp_path / "user").mkdir()
        xene = Terminal(tmp_path / "home", tmp_path, {"HOME": str(tmp_path / "user")})
        write(tmp_path / "m", "a")
        manifest = hosts[0].agent_manifest("web-1").replace(f', "hostKey": "{hosts[0].host_key}"', "")
        (tmp_path / "m" / "agent.yaml").write_text(manifest)
        refused = xene("apply", "m", code=5)
        assert refused.err.count("SHA256:") == 1 and "hint: xene why pipeline" not in refused.err
        fingerprint = xene("agent", "trust", "web-1", code=8).err.split("--fingerprint ")[1].strip()
        trusted = xene("agent", "trust", "web-1", "--fingerprint", fingerprint, code=0)
        assert trusted.err == "agent web-1 is Ready\n"
        assert xene("get", "pipeline", "a/build", "-o", "json", code=0).json["agent"] == "web-1"


def test_only_validate_tells_a_thousand_problems(xene: Terminal) -> None:
    tasks = "".join(f"        t{i}: {{stepz: []}}\n" for i in range(60))
    for name in "ab":
        (xene.cwd / f"{name}.yaml").write_text(
            f"apiVersion: xene/v1\nkind: Workflow\nmetadata: {{name: {name}}}\n"
            f"spec:\n  pipelines:\n    p:\n      tasks:\n{tasks}"
        )
    whole = xene("validate", ".", code=3).out
    assert whole.count("unknown-key") == 120
    cut = xene("apply", ".", code=3).err
    assert cut.count("unknown-key") == 100
    assert "120 problems in 2 files; nothing was changed\n" in cut and "all of them: xene validate ." in cut


def test_a_temporary_directory_that_is_not_there_is_no_bug(xene: Terminal) -> None:
    (xene.cwd / "w.yaml").write_text(FAILS)
    ended = xene("run", "w.yaml", code=74, TMPDIR=str(xene.cwd / "none"))
    assert "hint: set TMPDIR" in ended.err and "bug" not in ended.err
