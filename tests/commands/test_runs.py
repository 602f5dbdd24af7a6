"""`run`, `wait`, `logs`, `cancel`, `kill`, `reconcile` as processes over the embedded agent."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from tests.commands.terminal import Terminal, on_a_terminal

MANIFEST = r"""
apiVersion: xene/v1
kind: Workflow
metadata: {name: w}
spec:
  pipelines:
    good:
      params:
        who: {type: string, pattern: "[a-z]+", default: you}
      tasks:
        first: {steps: [{name: one, run: "echo one; echo two"}, {name: raw, run: "printf '\\033[31mx\\033[2J'"}]}
        second: {needs: [first], steps: [{name: say, env: {WHO: "${{ params.who }}"}, run: "echo hello $WHO"}]}
    bad: {tasks: {t: {steps: [{name: s, run: "echo oops; exit 3"}]}}}
    long: {tasks: {t: {steps: [{name: s, run: "echo begun; sleep 600"}]}}}
"""


@pytest.fixture(scope="module")
def host(control_host: Terminal) -> Terminal:
    (control_host.cwd / "w.yaml").write_text(MANIFEST)
    control_host("apply", "w.yaml", code=0)
    return control_host


def begun(host: Terminal) -> str:
    """A run of w/long whose step runs."""
    run = host("run", "w/long", code=0).out.strip()
    host("wait", run, "--for", "running", code=0)
    return run


def test_ids_are_printed_one_a_line(host: Terminal) -> None:
    ended = host("run", "w/good", code=0)
    assert len(ended.out.split()) == 1 and ended.err == ""
    assert host("run", "w/good", "-o", "name", code=0).out.startswith("run/2")
    (run,) = host("run", "good", "-p", "who=ada", "-o", "json", code=0).json
    assert run["params"] == {"who": "ada"} and run["trigger"] == "manual"


def test_wait_covers_every_run_of_the_fire(host: Terminal) -> None:
    (host.cwd / "two.yaml").write_text(
        MANIFEST.replace("{name: w}", "{name: two}").replace("sleep 600", "true")
    )
    host("apply", "two.yaml", code=0)
    ended = host("run", "two", "--wait", "-o", "json", code=1)
    assert {run["pipeline"]: run["phase"] for run in ended.json} == {
        "good": "Success",
        "bad": "Error",
        "long": "Success",
    }
    assert len({run["fire"] for run in ended.json}) == 1
    step = next(run for run in ended.json if run["pipeline"] == "bad")["tasks"]["t"]["steps"][0]
    assert (step["exitCode"], step["reason"]) == (3, "StepFailed")


def test_follow_shows_tasks_and_output_on_stderr(host: Terminal) -> None:
    ended = host("run", "w/good", "--follow", code=0)
    assert len(ended.out.split()) == 1
    assert "first/one | one\n" in ended.err and "second/say | hello you\n" in ended.err
    assert "w/good second: Success" in ended.err
    quiet = host("run", "w/good", "--follow", "-q", code=0)
    assert quiet.err == ""
    failed = host("run", "w/bad", "--follow", code=1)
    assert "StepFailed" in failed.err and "xene why run/" in failed.err


def test_follow_on_a_terminal_is_a_tree(host: Terminal) -> None:
    code, shown = on_a_terminal(host.command("run", "w/good", "--follow"), host.environment())
    assert code == 0 and "✓" in shown and "second/say | " in shown and "Traceback" not in shown


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["w/good", "-p", "who=A1"], 2, "who"),
        (["w/good", "-p", "hwo=x"], 2, "who"),
        (["w/god"], 4, "w/good"),
        (["nothing"], 4, "there is no workflow nothing"),
        (["w/good", "--timeout", "soon"], 2, "--timeout"),
    ],
)
def test_what_cannot_be_fired(words: list[str], code: int, says: str, host: Terminal) -> None:
    before = len(host("get", "runs", "--limit", "0", "-o", "json").json)
    ended = host("run", *words, code=code)
    assert says in ended.err and ended.out == ""
    assert len(host("get", "runs", "--limit", "0", "-o", "json").json) == before


def test_logs(host: Terminal) -> None:
    run = host("run", "w/good", "--wait", code=0).out.strip()
    whole = host("logs", run, code=0)
    assert whole.out.startswith("first/one | one\nfirst/one | two\nfirst/raw | ")
    assert whole.out.endswith("second/say | hello you\n") and whole.err == ""
    assert "complete" in host("logs", run, "-v", code=0).err
    assert host("logs", "w/good", "first/one", code=0).out == "one\ntwo\n"
    assert host("logs", run, "first/raw", code=0).out == "\x1b[31mx\x1b[2J"
    assert host("logs", run, "first", "--tail", "1", code=0).out.startswith("first/one | two\n")
    followed = host("logs", run, "-f", code=0).out
    assert sorted(followed.splitlines()) == sorted(whole.out.splitlines())
    assert host("logs", run, "--since", "2099-01-01T00:00:00Z", code=0).out == ""
    assert host("logs", run, "--since", "1h", code=0).out == whole.out
    assert host("logs", run, "--attempt", "1", code=0).out == whole.out
    assert "has no attempt 2" in host("logs", run, "--attempt", "2", code=4).err
    assert "--attempt" in host("logs", run, "--attempt", "0", code=2).err
    assert "did you mean 'first'" in host("logs", run, "frist", code=4).err
    assert "did you mean 'one'" in host("logs", run, "first/on", code=4).err
    assert host("logs", "nothing/at-all", code=4).out == ""


def test_logs_say_where_another_attempt_begins(host: Terminal) -> None:
    run = host("run", "w/bad", "--wait", code=1).out.strip()
    host("retry", run, code=0)
    host("wait", run, code=1)
    assert host("logs", run, code=0).out == "t/s | oops\n" * 2
    words = "oops\n--- attempt 2 ---\noops\n"
    assert host("logs", run, "t/s", "--mark-attempts", code=0).out == words
    merged = "".join(f"t/s | {line}\n" for line in words.splitlines())
    assert host("logs", run, "--mark-attempts", code=0).out == merged
    assert host("logs", run, "--mark-attempts", "-f", code=0).out == merged


def test_logs_on_a_terminal_cannot_steer_it(host: Terminal) -> None:
    run = host("run", "w/good", "--wait", code=0).out.strip()
    code, shown = on_a_terminal(host.command("logs", run, "first/raw"), host.environment())
    assert code == 0 and shown.startswith("\x1b[31mx\\x1b[2J")


def test_wait_and_its_exit_codes(host: Terminal) -> None:
    good = host("run", "w/good", code=0).out.strip()
    assert host("wait", good, "-o", "json", code=0).json["phase"] == "Success"
    bad = host("run", "w/bad", code=0).out.strip()
    assert host("wait", bad, code=1).out.startswith("ID")
    assert "ended in Success, not Error" in host("wait", good, "--for", "Error", code=7).err
    assert "did you mean 'Running'" in host("wait", good, "--for", "runnin", code=2).err
    run = begun(host)
    late = host("wait", run, "--timeout", "300ms", code=6)
    assert late.out == "" and "goes on" in late.err
    assert host("get", "run", run, "-o", "json").json["phase"] == "Running"
    host("kill", run, code=0)


def test_timeout_of_run_ends_the_waiting_only(host: Terminal) -> None:
    ended = host("run", "w/long", "--wait", "--timeout", "500ms", code=6)
    run = ended.out.strip()
    assert "goes on" in ended.err and host("get", "run", run, "-o", "json").json["phase"] != "Error"
    host("kill", run, code=0)


@pytest.mark.parametrize("verb", ["cancel", "kill"])
def test_ending_a_run(verb: str, host: Terminal) -> None:
    run = begun(host)
    ended = host(verb, run, "-o", "json", code=0)
    assert (ended.json["phase"], ended.json["id"]) == ("Error", run)
    assert "had" in host(verb, run, code=7).err or "ended already" in host(verb, run, code=7).err
    assert "begun" in host("logs", run, code=0).out


def test_ctrl_c_detaches_and_says_how_to_cancel(host: Terminal) -> None:
    with subprocess.Popen(
        host.command("run", "w/long", "--follow"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=host.environment(),
    ) as process:
        assert process.stdout and process.stderr
        run = process.stdout.readline().strip()
        while "t/s | begun" not in (line := process.stderr.readline()):
            assert line, "it ended before it began"
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(30) == 130
    assert f"xene cancel {run}" in rest and "Traceback" not in rest and "error" not in rest
    assert host("get", "run", run, "-o", "json").json["phase"] == "Running"
    host("cancel", run, code=0)


def test_two_at_once(host: Terminal) -> None:
    """One is at work, the other watches; both see the run end."""
    run = begun(host)
    waiting = [
        subprocess.Popen(
            host.command("wait", run, "-o", "json"), stdout=subprocess.PIPE, text=True, env=host.environment()
        )
        for _ in range(2)
    ]
    host("cancel", run, code=0)
    for process in waiting:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 1 and json.loads(out)["phase"] == "Error"


def test_reconcile(host: Terminal) -> None:
    assert host("reconcile", "-q", code=0).err == ""
    assert host("reconcile", "--take-over", code=0).out == ""
    host("run", "w/good", "--wait", code=0)


def test_reconcile_without_a_state(xene: Terminal) -> None:
    xene("reconcile", code=0)
    assert not xene.home.exists()


def test_describe_and_why_of_what_ran(host: Terminal) -> None:
    run = host("run", "w/bad", "--wait", code=1).out.strip()
    assert "exit code 3" in host("why", f"run/{run}", code=0).out
    page = host("describe", "run", run, code=0).out
    assert "StepFailed" in page and "Revision:" in page
    assert run in host("describe", "pipeline", "w/bad", code=0).out
    assert "Capacity:" in host("describe", "agent", "local", code=0).out


def test_as_of_is_said_to_people_only(host: Terminal) -> None:
    for words in (["get", "runs"], ["describe", "agent", "local"], ["why", "agent/local"]):
        assert "as of 2" in host(*words, "-v", code=0).err
        assert host(*words, code=0).err == ""
        assert host(*words, "-v", "-o", "json", code=0).err == ""
    code, shown = on_a_terminal(host.command("get", "agents"), host.environment())
    assert code == 0 and "no controller is at work" in shown
