"""Real runs under a real daemon: order, outputs, exit codes, logs, environment, capacity."""

from __future__ import annotations

import os
import time

import pytest

from tests.agent.probe import Probe, make_order, one_step
from xene.model import phases
from xene.wire import messages


def step(probe: Probe, pipeline: dict) -> dict:
    return probe.tasks(probe.start(pipeline))["t"]["steps"][0]


def test_outputs_pass_from_task_to_task(probe: Probe) -> None:
    tasks = {
        "one": {"outputs": ["v"], "steps": [{"name": "s", "run": 'echo "v=a b;c" >> "$XENE_OUTPUT"'}]},
        "two": {
            "needs": ["one"],
            "steps": [
                {"name": "s", "run": 'echo "got [$V]"', "env": {"V": "${{ tasks.one.outputs.v }}"}},
                {"name": "e", "exec": ["echo", "${{ tasks.one.outputs.v }}"]},
            ],
        },
    }
    run = probe.start({"tasks": tasks})
    seen = probe.tasks(run)
    assert seen["one"]["outputs"] == {"v": "a b;c"}
    logs = probe.read_logs(run)
    assert logs[("two", "s")] == b"got [a b;c]\n" and logs[("two", "e")] == b"a b;c\n"


@pytest.mark.parametrize(
    ("script", "code", "reason"),
    [("exit 3", 3, "StepFailed"), ("kill -9 $$", 137, "StepFailed"), ("false\ntrue", 1, "StepFailed")],
)
def test_exit_codes_are_those_of_the_step(probe: Probe, script: str, code: int, reason: str) -> None:
    seen = step(probe, one_step(script))
    assert (seen["phase"], seen["exitCode"], seen["reason"]) == (phases.ERROR, code, reason)


def test_programs_are_never_the_shells_own(probe: Probe) -> None:
    assert step(probe, one_step(exec=["exit", "0"]))["exitCode"] == 127
    assert "not in PATH" in step(probe, one_step(exec=["no-such-program"]))["message"]
    assert step(probe, one_step(exec=["/etc/passwd"]))["exitCode"] == 126


@pytest.mark.parametrize(
    "text", ["a b", "$(id)", "`id`", "'; exit 9 #", '"', "\\", "*", "~", "new\nline", "-n", "é"]
)
def test_arguments_arrive_as_they_were_written(probe: Probe, text: str) -> None:
    run = probe.start(one_step(exec=["printf", "[%s]", text]))
    assert probe.tasks(run)["t"]["phase"] == phases.SUCCESS
    assert probe.read_logs(run)[("t", "s")] == f"[{text}]".encode()


def test_shells_and_their_strictness(probe: Probe) -> None:
    tasks = {
        "sh": {"steps": [{"name": "s", "run": "echo $UNSET_THING"}]},
        "bash": {"steps": [{"name": "s", "shell": "bash", "run": "false | true"}]},
        "python": {"steps": [{"name": "s", "shell": "python", "run": "print(6*7)"}]},
    }
    run = probe.start({"tasks": tasks})
    seen = probe.tasks(run)
    assert [seen[name]["phase"] for name in tasks] == [phases.ERROR, phases.ERROR, phases.SUCCESS]
    assert probe.read_logs(run)[("python", "s")] == b"42\n"


def test_a_step_sees_its_manifest_and_its_user_and_nothing_else(
    home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.agent.probe import probing

    monkeypatch.setenv("LEAKED_FROM_CALLER", "yes")
    with probing(home) as probe:
        run = probe.start(one_step("env"), agent_env={"FROM_AGENT": "1"}, params={"dry-run": False})
        probe.ended(run)
        text = probe.read_logs(run)[("t", "s")].decode()
    names = {line.partition("=")[0] for line in text.splitlines()}
    own = {name for name in names if name.startswith("XENE_")}
    assert names - own - {"PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "PWD", "_", "SHLVL"} == {
        "FROM_AGENT"
    }
    assert {"XENE_RUN", "XENE_WORKSPACE", "XENE_OUTPUT", "XENE_ARTIFACTS", "XENE_PARAM_DRY_RUN"} <= own


def test_the_umask_of_a_step_is_the_users_and_the_agents_own_files_are_private(home: str) -> None:
    from tests.agent.probe import probing

    umask = os.umask(0o027)
    try:
        with probing(home) as probe:
            run = probe.start(one_step("umask; touch made; stat -c %a made"))
            probe.ended(run)
            assert probe.read_logs(run)[("t", "s")].split() == [b"0027", b"640"]
    finally:
        os.umask(umask)
    for folder, folders, files in os.walk(home):
        if "workspace" in folder:
            continue
        for name in folders:
            assert os.stat(os.path.join(folder, name)).st_mode & 0o077 == 0, os.path.join(folder, name)
        if os.sep + "agent" + os.sep not in folder + os.sep:
            for name in files:
                assert os.stat(os.path.join(folder, name)).st_mode & 0o077 == 0, os.path.join(folder, name)


def test_a_missing_working_directory_is_named(probe: Probe) -> None:
    seen = step(probe, one_step("true", workDir="src"))
    assert (seen["reason"], seen["exitCode"]) == ("WorkDirMissing", None)
    assert "src" in seen["message"]


@pytest.mark.parametrize("place", ["/etc", "../..", "a/../../.."])
def test_a_working_directory_filled_by_a_template_cannot_leave_the_workspace(
    probe: Probe, place: str
) -> None:
    pipeline = one_step("pwd", workDir="${{ params.place }}")
    run = probe.ended(probe.start(pipeline, params={"place": place}))
    assert run.reason == "WorkDirMissing" and "leaves the workspace" in (run.message or "")


def test_the_workspace_is_shared_by_the_tasks_of_a_run(probe: Probe) -> None:
    tasks = {
        "a": {"steps": [{"name": "s", "run": "mkdir d; echo x > d/f; pwd"}]},
        "b": {"needs": ["a"], "steps": [{"name": "s", "run": "cat f", "workDir": "d"}]},
    }
    run = probe.start({"tasks": tasks})
    assert probe.ended(run).phase == phases.SUCCESS
    assert probe.read_logs(run)[("b", "s")] == b"x\n"


@pytest.mark.parametrize(
    ("script", "declared", "reason"),
    [
        ("true", ["v"], "OutputMissing"),
        ("echo w=1 >> $XENE_OUTPUT", [], "OutputUndeclared"),
        ("echo broken >> $XENE_OUTPUT", ["v"], "OutputInvalid"),
        ("head -c 1100000 /dev/zero | tr '\\0' x >> $XENE_OUTPUT", ["v"], "OutputInvalid"),
        ("ln -s /etc/passwd $XENE_OUTPUT", ["v"], "OutputInvalid"),
        ("mkfifo $XENE_OUTPUT", ["v"], "OutputInvalid"),
    ],
)
def test_outputs_that_do_not_hold(probe: Probe, script: str, declared: list[str], reason: str) -> None:
    pipeline = one_step(script)
    pipeline["tasks"]["t"]["outputs"] = declared
    run = probe.ended(probe.start(pipeline))
    assert (run.phase, run.reason) == (phases.ERROR, reason)


def test_a_failed_step_ends_its_task_and_omits_what_needs_it(probe: Probe) -> None:
    tasks = {
        "bad": {"steps": [{"name": "a", "run": "exit 4"}, {"name": "b", "run": "true"}]},
        "after": {"needs": ["bad"], "steps": [{"name": "s", "run": "true"}]},
        "apart": {
            "steps": [{"name": "s", "run": "exit 1", "continueOnError": True}, {"name": "t", "run": "true"}]
        },
    }
    run = probe.start({"tasks": tasks})
    seen = probe.tasks(run)
    assert seen["bad"]["reason"] == "StepFailed"
    assert [step["phase"] for step in seen["bad"]["steps"]] == [phases.ERROR, phases.NOT_EXECUTED]
    assert (seen["after"]["phase"], seen["after"]["reason"]) == (phases.NOT_EXECUTED, "Omitted")
    assert seen["apart"]["phase"] == phases.SUCCESS
    assert probe.ended(run).reason == "StepFailed"


def test_a_timeout_ends_the_whole_tree(probe: Probe) -> None:
    script = "setsid sleep 300 & (sleep 300 &) ; trap '' TERM; while :; do sleep 1; done"
    seen = step(probe, one_step(script, timeout="200ms", gracePeriod="300ms"))
    assert (seen["reason"], seen["exitCode"]) == ("Timeout", 124)
    assert not living(probe)


def living(probe: Probe) -> set:
    from xene.agent import process

    run = next(iter(probe.orders))
    return process.members(f"XENE_RUN={run}", None)


def test_cancel_stops_what_runs_and_starts_nothing_more(probe: Probe) -> None:
    tasks = {
        "a": {"steps": [{"name": "s", "run": "echo on; sleep 300"}, {"name": "t", "run": "true"}]},
        "b": {"needs": ["a"], "steps": [{"name": "s", "run": "true"}]},
    }
    run = probe.start({"tasks": tasks})
    probe.wait(lambda: any(event["type"] == "step.started" for event in probe.events))
    probe.say(messages.cancel(1, run, False))
    seen = probe.tasks(run)
    assert probe.ended(run).reason == "Cancelled"
    assert seen["a"]["steps"][0]["reason"] == "Cancelled"
    assert (seen["b"]["phase"], seen["b"]["reason"]) == (phases.NOT_EXECUTED, "Cancelled")
    assert not living(probe)


def test_kill_does_not_wait_for_the_grace_period(probe: Probe) -> None:
    run = probe.start(one_step("trap '' TERM; while :; do sleep 1; done", gracePeriod="1h"))
    probe.wait(lambda: any(event["type"] == "step.started" for event in probe.events))
    probe.say(messages.cancel(1, run, False))
    probe.wait(lambda: any(event["type"] == "cancel.asked" for event in probe.events))
    probe.say(messages.cancel(1, run, True))
    assert probe.ended(run).reason == "Killed"
    assert not living(probe)


def test_what_a_handler_calls_in_the_grace_period_is_left_alone(probe: Probe) -> None:
    """SIGTERM comes once: what starts after it is part of the cleaning up."""
    cleaning = "trap 'sleep 0.5 && echo slept > ../slept; exit 0' TERM; "
    script = cleaning + "touch ../ready; while :; do sleep 0.02 || :; done"
    run = probe.start(one_step(script, gracePeriod="10s"))
    place = os.path.dirname(workspace(probe, run))
    wait_until(lambda: os.path.exists(os.path.join(place, "ready")))
    probe.say(messages.cancel(1, run, False))
    assert probe.ended(run).reason == "Cancelled"
    assert os.path.exists(os.path.join(place, "slept"))


def test_what_a_step_leaves_running_ends_with_the_run(probe: Probe) -> None:
    run = probe.start(one_step("setsid sleep 300 > /dev/null 2>&1 & echo left"))
    assert probe.ended(run).phase == phases.SUCCESS
    assert not living(probe)


def test_capacity_is_taken_by_runs_and_the_rest_queues(probe: Probe) -> None:
    probe.say(messages.assign(1, {"flow/main": "r1"}, 1))
    first = probe.start(one_step("while [ ! -e go ]; do sleep 0.02; done"))
    second = probe.start(one_step("true"))
    probe.wait(lambda: any(e["type"] == "step.started" and e["run"] == first for e in probe.events))
    probe.wait(lambda: any(e["type"] == "run.accepted" and e["run"] == second for e in probe.events))
    assert not any(e["type"] == "run.started" and e["run"] == second for e in probe.events)
    open(os.path.join(workspace(probe, first), "go"), "w").close()
    assert probe.ended(second).started_at >= probe.ended(first).finished_at


def workspace(probe: Probe, run: str) -> str:
    from tests.agent.probe import STATE

    return os.path.join(probe.home, STATE, "probe", "runs", run, "workspace")


def test_a_run_is_started_once_however_often_it_is_ordered(probe: Probe) -> None:
    order = make_order(one_step("echo once >> ../count"))
    probe.orders[order.id] = order
    for _ in range(3):
        probe.say(messages.start(1, order.to_json()))
    assert probe.ended(order.id).phase == phases.SUCCESS
    probe.say(messages.start(1, order.to_json()))
    other = probe.start(one_step("true"))
    probe.ended(other)
    assert sum(e["type"] == "run.accepted" and e["run"] == order.id for e in probe.events) == 1
    with open(os.path.join(os.path.dirname(workspace(probe, order.id)), "count")) as file:
        assert file.read() == "once\n"


def test_release_removes_the_run_and_only_after_its_end(probe: Probe) -> None:
    busy = probe.start(one_step("while [ ! -e go ]; do sleep 0.02; done"))
    ended = probe.start(one_step("mkdir d; touch d/f; chmod 500 d"))
    probe.ended(ended)
    probe.say(messages.release(1, [busy, ended], []))
    probe.wait(lambda: any(e["type"] == "run.released" and e["run"] == ended for e in probe.events))
    wait_until(lambda: not os.path.exists(workspace(probe, ended)))
    assert os.path.exists(workspace(probe, busy))
    open(os.path.join(workspace(probe, busy), "go"), "w").close()
    assert probe.ended(busy).phase == phases.SUCCESS


def wait_until(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_logs_follow_live_to_the_end_and_by_offset_and_tail(probe: Probe) -> None:
    run = probe.start(one_step("echo one; while [ ! -e go ]; do sleep 0.02; done; echo two; printf three"))
    probe.say(messages.follow(1, 3, run, live=True))
    probe.wait(lambda: probe.logs.get(("t", "s")) == b"one\n")
    open(os.path.join(workspace(probe, run), "go"), "w").close()
    done = probe.wait(lambda: probe.one("followed"))
    assert probe.logs[("t", "s")] == b"one\ntwo\nthree"
    assert done["files"] == [{"task": "t", "step": "s", "attempt": 1, "seq": 1, "size": 13}]
    assert tail(probe, run, 2) == b"two\nthree"
    assert tail(probe, run, 1) == b"three"


def test_an_old_controller_is_refused(probe: Probe) -> None:
    probe.say(messages.assign(5, {}, 2))
    probe.wait(lambda: any(event["type"] == "epoch" and event["epoch"] == 5 for event in probe.events))
    order = make_order(one_step("true"))
    probe.say(messages.start(4, order.to_json()))
    refused = probe.wait(lambda: probe.one("refused"))
    assert refused["code"] == "StaleEpoch"
    assert not any(event.get("run") == order.id for event in probe.events)


def test_what_makes_no_sense_changes_nothing(probe: Probe) -> None:
    before = probe.hello["last"]
    for message in (
        {"type": "start", "epoch": 1, "order": {"id": "../../etc"}},
        {"type": "start", "epoch": 1},
        {"type": "start", "epoch": 1, "order": {**make_order(one_step("true")).to_json(), "spec": {}}},
        {"type": "release", "epoch": 1, "runs": "x", "workspaces": [1]},
        {"type": "nonsense", "epoch": 1},
    ):
        probe.say(message)
    run = probe.start(one_step("true"))
    assert probe.ended(run).phase == phases.SUCCESS
    kinds = {event["type"] for event in probe.events if event["n"] > before + 1 and event.get("run") != run}
    assert kinds <= {"epoch"}


def tail(probe: Probe, run: str, lines: int) -> bytes:
    """The last lines of the only log, by a fresh connection."""
    reader = Probe(probe.home, role="reader")
    found = b""
    reader.say(messages.follow(1, 9, run, live=False, tail=lines))
    while reader.one("followed") is None:
        for message, blob in reader._decoder.feed(reader.channel.recv(65536)):
            reader.others.append(message)
            found += blob
    reader.close()
    return found


def test_a_step_inherits_no_descriptor_but_the_first_three(probe: Probe) -> None:
    run = probe.start(one_step(exec=["ls", "/proc/self/fd"]))
    assert probe.ended(run).phase == phases.SUCCESS
    assert probe.read_logs(run)[("t", "s")].split() == [b"0", b"1", b"2", b"3"]  # 3 is ls's own
