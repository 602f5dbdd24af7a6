"""A daemon that dies, in every way that matters here: what it knew, and what it had started, is not lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.agent.probe import STATE, Probe, one_step, probing, stop_daemon
from tests.agent.test_runs import wait_until, workspace
from xene.agent import process
from xene.model import phases


def kill_daemon(probe: Probe) -> None:
    pid = probe.daemon_pid()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: (seen := process.look(pid)) is None or seen.state == "Z")
    probe.close()


def again(probe: Probe) -> Probe:
    """A new connection, which goes on from what the first one heard."""
    last = probe.events[-1]["n"] if probe.events else 0
    other = Probe(probe.home, journal=probe.hello["journal"], after=last)
    other.events = [*probe.events, *other.events]
    other.orders = probe.orders
    return other


def started(probe: Probe) -> None:
    probe.wait(lambda: any(event["type"] == "step.started" for event in probe.events))


def go(probe: Probe, run: str) -> None:
    open(os.path.join(workspace(probe, run), "go"), "w").close()


WAITS = "echo begun >> ../count; while [ ! -e go ]; do sleep 0.02; done; echo done; exit 7"


def test_a_killed_daemon_loses_nothing_of_a_step_that_goes_on(home: str) -> None:
    with probing(home) as probe:
        run = probe.start(one_step(WAITS))
        started(probe)
        wait_until(lambda: os.path.exists(os.path.join(workspace(probe, run), "..", "count")))
        kill_daemon(probe)
        second = again(probe)
        assert second.hello["journal"] == probe.hello["journal"]
        go(second, run)
        seen = second.tasks(run)["t"]["steps"][0]
        assert (seen["exitCode"], seen["reason"]) == (7, "StepFailed")
        assert second.read_logs(run)[("t", "s")] == b"done\n"
        second.close()
        with open(os.path.join(workspace(probe, run), "..", "count")) as file:
            assert file.read() == "begun\n"


def test_a_step_that_ends_while_no_daemon_lives_keeps_its_exit_code_and_time(home: str) -> None:
    with probing(home) as probe:
        run = probe.start(one_step(WAITS))
        started(probe)
        wait_until(lambda: os.path.exists(os.path.join(workspace(probe, run), "..", "count")))
        kill_daemon(probe)
        go(probe, run)
        steps = os.path.join(os.path.dirname(workspace(probe, run)), "steps")
        wait_until(lambda: process.exit_code(os.path.join(steps, "0001")) == 7)
        ended_at = process.exit_time(os.path.join(steps, "0001"))
        second = again(probe)
        state = second.ended(run)
        assert (state.phase, state.reason) == (phases.ERROR, "StepFailed")
        assert state.by_seq[1][1].finished_at == pytest.approx(ended_at, abs=0.01)
        second.close()


def test_a_step_whose_wrapper_was_killed_is_cleared_away_and_told(home: str) -> None:
    with probing(home) as probe:
        run = probe.start(one_step("sleep 300", gracePeriod="1s"))
        started(probe)
        steps = os.path.join(os.path.dirname(workspace(probe, run)), "steps")
        wait_until(lambda: process.claim(os.path.join(steps, "0001")))
        root = process.claim(os.path.join(steps, "0001"))
        assert root is not None
        kill_daemon(probe)
        os.kill(root.pid, signal.SIGKILL)
        wait_until(lambda: not process.alive(root))
        second = again(probe)
        state = second.ended(run)
        assert (state.phase, state.reason) == (phases.ERROR, "ExitUnknown")
        assert not process.members(f"XENE_RUN={run}", None)
        second.close()


def test_an_intent_without_a_process_is_carried_out_once(home: str) -> None:
    """The journal says that a step was to start, and the daemon died before it did."""
    with probing(home) as probe:
        run = probe.start(one_step(WAITS))
        started(probe)
        wait_until(lambda: os.path.exists(os.path.join(workspace(probe, run), "..", "count")))
        kill_daemon(probe)
        for left in process.members(f"XENE_RUN={run}", None):
            process.send({left}, signal.SIGKILL)
        wait_until(lambda: not process.members(f"XENE_RUN={run}", None))
        base = os.path.join(os.path.dirname(workspace(probe, run)), "steps", "0001")
        os.unlink(base + ".step")
        second = again(probe)
        go(second, run)
        assert second.tasks(run)["t"]["steps"][0]["exitCode"] == 7
        second.close()


def test_a_reboot_is_told_from_a_crash(home: str) -> None:
    with probing(home) as probe:
        run = probe.start(one_step("sleep 300", gracePeriod="100ms"))
        started(probe)
        kill_daemon(probe)
        for left in process.members(f"XENE_RUN={run}", None):
            process.send({left}, signal.SIGKILL)
        rewrite_boot(os.path.join(home, STATE, "probe", "journal"))
        second = again(probe)
        state = second.ended(run)
        assert (state.phase, state.reason) == (phases.ERROR, "HostRebooted")
        second.close()


def rewrite_boot(path: str) -> None:
    """Make the journal say that its steps were started under another boot."""
    from xene.agent.journal import _line, recover

    records, _ = recover(path)
    with open(path, "wb") as file:
        for record in records:
            file.write(_line({**record, "boot": "an-earlier-boot"} if "boot" in record else record))


def test_a_stopped_daemon_leaves_its_steps_alone(home: str) -> None:
    with probing(home) as probe:
        run = probe.start(one_step(WAITS))
        started(probe)
        stop_daemon(home)
        probe.close()
        assert not os.path.exists(os.path.join(home, STATE, "probe", "daemon.sock"))
        second = again(probe)
        go(second, run)
        assert second.tasks(run)["t"]["steps"][0]["exitCode"] == 7
        second.close()


def test_a_cancel_reaches_an_adopted_step(home: str) -> None:
    from xene.wire import messages

    with probing(home) as probe:
        run = probe.start(one_step("setsid sleep 300 & sleep 300"))
        started(probe)
        kill_daemon(probe)
        second = again(probe)
        second.say(messages.cancel(1, run, False))
        assert second.ended(run).reason == "Cancelled"
        assert not process.members(f"XENE_RUN={run}", None)
        second.close()


def test_many_attach_at_once_and_one_daemon_answers(home: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        probes = list(pool.map(lambda _: Probe(home, role="reader"), range(6)))
    try:
        assert len({probe.hello["journal"] for probe in probes}) == 1
        assert len({probe.hello["facts"]["pid"] for probe in probes}) == 1
    finally:
        for probe in probes:
            probe.close()
        stop_daemon(home)


def test_a_home_of_somebody_elses_making_is_refused(home: str) -> None:
    from xene.errors import XeneError

    os.makedirs(os.path.join(home, STATE), mode=0o700)
    os.symlink("/tmp", os.path.join(home, STATE, "probe"))
    with pytest.raises(XeneError, match="not a directory of this user"):
        Probe(home)


def test_the_agent_runs_under_the_oldest_python_that_is_here(home: str, record_property) -> None:
    """Python 3.9 where the machine has one; else the test says so, and ruff's target version stands guard."""
    from xene.transport import bundle

    python = oldest_python()
    record_property(
        "agent_python", python or "none older than this one: ruff's py39 target is the only guard"
    )
    built = bundle.build()
    path = os.path.join(home, "agent.pyz")
    with open(path, "wb") as file:
        file.write(built.data())
    said = subprocess.run(
        [python or "python3", "-I", "-S", path, "version"], capture_output=True, text=True, timeout=60
    )
    assert said.stdout.strip() == built.sha, said.stderr
    arguments = ["--home", home, "--state", STATE, "--agent", "old"]
    child = subprocess.Popen(
        [python or "python3", "-I", "-S", path, "attach", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        from xene.wire.frames import MARKER

        assert child.stdout is not None and child.stdin is not None
        assert child.stdout.read(len(MARKER)) == MARKER
        child.stdin.close()
        child.stdout.close()
        assert child.wait(10) == 0
    finally:
        stop = [python or "python3", "-I", "-S", path, "stop", *arguments]
        assert subprocess.run(stop, timeout=60).returncode == 0


def oldest_python() -> str | None:
    """A Python 3.9 that really starts."""
    import glob

    for path in ["python3.9", *glob.glob(os.path.expanduser("~/.pyenv/versions/3.9*/bin/python3.9"))]:
        try:
            said = subprocess.run(
                [path, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True
            )
        except FileNotFoundError:
            continue
        if said.stdout.strip() == "(3, 9)":
            return path
    return None


def test_an_idle_daemon_does_not_wake_up(probe: Probe) -> None:
    run = probe.start(one_step("true"))
    probe.ended(run)
    pid = probe.daemon_pid()

    def switches() -> int:
        with open(f"/proc/{pid}/status") as file:
            text = file.read()
        return sum(int(line.split()[1]) for line in text.splitlines() if "ctxt_switches" in line)

    def settled() -> bool:
        before = switches()
        time.sleep(0.2)
        return switches() == before

    wait_until(settled)
    before = switches()
    time.sleep(1.0)
    assert switches() - before == 0


def test_newer_code_takes_over_the_same_process_and_steps_never_notice(home: str) -> None:
    with probing(home) as probe:
        run = probe.start(one_step(WAITS))
        started(probe)
        pid = probe.daemon_pid()
        newer = os.path.join(home, "agent", "f" * 64)
        shutil.copytree(os.path.join(home, "agent", probe.hello["version"]), newer)
        second = Probe(home, journal=probe.hello["journal"], after=probe.events[-1]["n"], version="f" * 64)
        second.events, second.orders = [*probe.events, *second.events], probe.orders
        assert second.hello["version"] == "f" * 64
        assert second.hello["facts"]["pid"] == probe.daemon_pid() == pid
        go(second, run)
        assert second.tasks(run)["t"]["steps"][0]["exitCode"] == 7
        assert second.read_logs(run)[("t", "s")] == b"done\n"
        second.close()
