"""A tethered daemon: it lives as long as its connection, and leaves nothing."""

from __future__ import annotations

import os

from tests.agent.probe import STATE, Probe, one_step
from tests.agent.test_runs import wait_until
from xene.agent import process


def test_it_ends_with_its_connection_and_takes_its_runs_along(home: str) -> None:
    probe = Probe(home, tethered=True)
    pid = probe.daemon_pid()
    run = probe.start(one_step("setsid sleep 300 & sleep 300"))
    probe.wait(lambda: any(event["type"] == "step.started" for event in probe.events))
    probe.close()
    wait_until(lambda: process.look(pid) is None)
    assert not process.members(f"XENE_RUN={run}", None)
    assert not os.path.exists(os.path.join(home, STATE))


def test_a_stop_removes_everything_before_the_connection_ends(home: str) -> None:
    probe = Probe(home, tethered=True)
    probe.ended(probe.start(one_step("true")))
    probe.say({"type": "stop", "epoch": 1})
    while probe.channel.recv(65536):
        pass
    assert not os.path.exists(os.path.join(home, STATE))
    probe.close()


def test_a_newer_control_connection_replaces_the_older_one(home: str) -> None:
    from tests.agent.probe import stop_daemon

    first = Probe(home)
    second = Probe(home)
    while first.channel.recv(65536):
        pass  # it was closed by the daemon
    assert second.ended(second.start(one_step("true"))).ended
    first.close()
    second.close()
    stop_daemon(home)
