"""Runs with secrets under a daemon that dies, or becomes newer code, while their steps go on."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from tests.agent.probe import STATE, Probe, make_order, one_step, probing
from tests.agent.test_faults_succession import lay, turn_to
from tests.agent.test_recovery import again, go, kill_daemon, started
from tests.agent.test_runs import wait_until, workspace
from xene.agent import process
from xene.model import phases
from xene.wire import messages

VALUE = "a value that nobody may see"
WAITS = 'echo "$TOKEN"; touch begun; while [ ! -e go ]; do sleep 0.02; done; '


def secret(probe: Probe, pipeline: dict[str, Any]) -> str:
    """Order a run of a pipeline that is given a secret."""
    order = make_order({**pipeline, "secrets": {"TOKEN": "token"}})
    probe.orders[order.id] = order
    probe.say(messages.start(probe.epoch, order.to_json(), {"TOKEN": VALUE}))
    return order.id


def unlock(probe: Probe, run: str) -> None:
    probe.say(messages.unlock(probe.epoch, run, {"TOKEN": VALUE}))


def begun(probe: Probe, run: str) -> None:
    started(probe)
    wait_until(lambda: os.path.exists(os.path.join(workspace(probe, run), "begun")))


def is_held(probe: Probe) -> None:
    probe.wait(lambda: any(event["type"] == "run.held" for event in probe.events))


def ends_alone(probe: Probe, run: str) -> None:
    """The step's process ends while no daemon lives."""
    go(probe, run)
    base = os.path.join(os.path.dirname(workspace(probe, run)), "steps", "0001")
    wait_until(lambda: process.exit_code(base) is not None)


def assert_unseen(home: str) -> None:
    """The value is in no file of the agent, but in those that steps wrote into workspaces."""
    for path in Path(home).rglob("*"):
        if path.is_file() and not path.is_symlink() and "workspace" not in path.parts:
            assert VALUE.encode() not in path.read_bytes(), path


def test_outputs_are_not_told_before_they_can_be_looked_through(home: str) -> None:
    with probing(home) as probe:
        run = secret(
            probe,
            {
                "tasks": {
                    "t": {
                        "outputs": ["w"],
                        "steps": [{"name": "s", "run": WAITS + 'echo "w=$TOKEN" >> "$XENE_OUTPUT"'}],
                    }
                }
            },
        )
        begun(probe, run)
        kill_daemon(probe)
        ends_alone(probe, run)
        second = again(probe)
        is_held(second)
        assert not [event for event in second.events if event["type"] == "step.ended"]
        unlock(second, run)
        assert second.tasks(run)["t"]["reason"] == phases.OUTPUT_SECRET
        assert second.read_logs(run)[("t", "s")] == b"***\n"
        assert_unseen(home)
        second.close()


def test_an_end_without_outputs_is_told_at_once(home: str) -> None:
    with probing(home) as probe:
        run = secret(probe, one_step(WAITS + "exit 5"))
        begun(probe, run)
        kill_daemon(probe)
        ends_alone(probe, run)
        second = again(probe)
        state = second.ended(run)
        assert (state.phase, state.reason) == (phases.ERROR, phases.STEP_FAILED)
        assert second.read_logs(run)[("t", "s")] == b"***\n"
        second.close()


def test_a_run_whose_outputs_wait_for_secrets_can_be_cancelled(home: str) -> None:
    with probing(home) as probe:
        step = {"name": "s", "run": WAITS + 'echo "w=$TOKEN" >> "$XENE_OUTPUT"'}
        run = secret(probe, {"tasks": {"t": {"outputs": ["w"], "steps": [step]}}})
        begun(probe, run)
        kill_daemon(probe)
        ends_alone(probe, run)
        second = again(probe)
        is_held(second)
        second.say(messages.cancel(second.epoch, run, False))
        state = second.ended(run)
        assert (state.phase, state.reason) == (phases.ERROR, phases.CANCELLED)
        assert not state.tasks["t"].published
        assert_unseen(home)
        second.close()


def kill_before_the_process(probe: Probe, run: str) -> None:
    """As if the daemon had died between the intent to start a step and its process."""
    kill_daemon(probe)
    for left in process.members(f"XENE_RUN={run}", None):
        process.send({left}, signal.SIGKILL)
    wait_until(lambda: not process.members(f"XENE_RUN={run}", None))
    os.unlink(os.path.join(os.path.dirname(workspace(probe, run)), "steps", "0001.step"))


def test_a_step_that_was_to_start_does_not_without_its_secrets(home: str) -> None:
    with probing(home) as probe:
        run = secret(probe, one_step(WAITS + '[ "$TOKEN" ] && echo "I have $TOKEN"'))
        begun(probe, run)
        kill_before_the_process(probe, run)
        second = again(probe)
        is_held(second)
        go(probe, run)
        unlock(second, run)
        assert second.ended(run).phase == phases.SUCCESS
        assert second.read_logs(run)[("t", "s")].endswith(b"I have ***\n")
        assert_unseen(home)
        second.close()


def test_a_step_that_waits_for_secrets_has_its_timeout_all_the_same(home: str) -> None:
    with probing(home) as probe:
        run = secret(probe, one_step(WAITS, timeout="2s"))
        begun(probe, run)
        kill_before_the_process(probe, run)
        second = again(probe)
        state = second.ended(run)
        assert (state.phase, state.reason) == (phases.ERROR, phases.TIMEOUT)
        second.close()


def test_newer_code_takes_over_with_the_secrets(home: str) -> None:
    with probing(home) as probe:
        lay(home, probe.hello["version"], "f" * 64)
        steps = [
            {"name": "s", "run": WAITS + 'echo "still $TOKEN"'},
            {"name": "next", "run": 'echo "next $TOKEN"'},
        ]
        run = secret(probe, {"tasks": {"t": {"steps": steps}}})
        begun(probe, run)
        newer = turn_to(probe, "f" * 64)
        assert newer.hello["version"] == "f" * 64
        go(probe, run)
        assert newer.ended(run).phase == phases.SUCCESS
        assert not [event for event in newer.events if event["type"] == "run.held"]
        logs = newer.read_logs(run)
        assert (logs[("t", "s")], logs[("t", "next")]) == (b"***\nstill ***\n", b"next ***\n")
        assert_unseen(home)
        newer.close()


def test_a_retry_waits_for_the_secrets_that_went_with_the_end(home: str) -> None:
    with probing(home) as probe:
        run = secret(probe, one_step('echo "$TOKEN" | tee -a ../seen; [ "$(wc -l < ../seen)" = 2 ]'))
        assert probe.ended(run).phase == phases.ERROR
        probe.say(messages.retry(probe.epoch, run, 2, None))
        is_held(probe)
        unlock(probe, run)
        probe.wait(lambda: [event["type"] for event in probe.events].count("run.ended") == 2)
        assert probe.progress(run).phase == phases.SUCCESS
        probe.close()
        journal = Path(home, STATE, "probe", "journal").read_bytes()
        assert VALUE.encode() not in journal
