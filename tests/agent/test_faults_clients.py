"""Clients that misbehave, odd sequences of good ones, signals: the daemon lives, and its others see nothing."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.agent.faulty import log_of
from tests.agent.probe import STATE, Probe, make_order, one_step
from tests.agent.test_recovery import WAITS, again, go, kill_daemon, started
from tests.agent.test_runs import living, wait_until, workspace
from xene.agent import process
from xene.agent.daemon import MAX_CLIENTS
from xene.model import phases
from xene.wire import frames, messages


def raw(probe: Probe) -> socket.socket:
    """A connection past `attach`, straight to the daemon's socket."""
    there = os.open(os.path.join(probe.home, STATE, "probe"), os.O_RDONLY | os.O_DIRECTORY)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(20)
    wait_until(lambda: not sock.connect_ex(f"/proc/self/fd/{there}/daemon.sock"))  # its backlog may be full
    os.close(there)
    return sock


def fine(probe: Probe, pid: int) -> None:
    assert probe.ended(probe.start(one_step("true"))).phase == phases.SUCCESS
    assert probe.daemon_pid() == pid
    assert "bug" not in log_of(probe.home)


HELLO = messages.hello_from_control(1, "reader", "test", None, 0)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "hello"},
        {"type": "hello", "epoch": 1},
        {**HELLO, "after": "x"},
        {**HELLO, "after": None},
        {**HELLO, "role": []},
        {**HELLO, "version": "../../../tmp", "role": "control"},
        {**HELLO, "journal": {}, "role": "nobody"},
        {"type": ["hello"]},
        {},
    ],
)
def test_a_hello_that_makes_no_sense_harms_nobody(probe: Probe, message: dict) -> None:
    pid = probe.daemon_pid()
    reader = raw(probe)
    reader.sendall(frames.encode(message))
    reader.recv(4096)
    reader.close()
    if message.get("role") == "control":  # it has replaced the probe, as any newer control does
        probe = Probe(probe.home)
    fine(probe, pid)


@pytest.mark.parametrize(
    "odd",
    [
        {"tail": "x"},
        {"tail": -3},
        {"tail": 10**30},
        {"offsets": {"1": -5}},
        {"offsets": {"1": 10**30}},
        {"offsets": {"x": 1}},
        {"offsets": None},
        {"run": ["a"]},
        {"id": None},
        {"attempt": {}},
    ],
)
def test_a_follow_that_makes_no_sense_harms_nobody(probe: Probe, odd: dict) -> None:
    pid = probe.daemon_pid()
    run = probe.start(one_step("echo x"))
    probe.ended(run)
    probe.say({**messages.follow(1, 5, run, live=False), **odd})
    fine(probe, pid)


def test_half_a_frame_and_silence_hold_nobody_up(probe: Probe) -> None:
    pid = probe.daemon_pid()
    reader = raw(probe)
    reader.sendall(frames.encode(HELLO)[:10])
    fine(probe, pid)
    reader.close()
    fine(probe, pid)


def test_a_client_that_reads_nothing_holds_nobody_up(probe: Probe) -> None:
    pid = probe.daemon_pid()
    run = probe.start(one_step("head -c 30000000 /dev/zero"))
    probe.ended(run)
    reader = raw(probe)
    reader.sendall(frames.encode(HELLO))
    for request in range(5):
        reader.sendall(frames.encode(messages.follow(1, request, run, live=True)))
    fine(probe, pid)
    text = Path(f"/proc/{pid}/status").read_text()
    assert int(text.split("VmRSS:")[1].split()[0]) < 32 * 1024
    reader.close()


def test_more_clients_than_there_is_room_for_are_told(probe: Probe) -> None:
    pid = probe.daemon_pid()
    crowd = [raw(probe) for _ in range(MAX_CLIENTS + 5)]
    crowd[-1].sendall(b"")
    said = crowd[-1].recv(4096)
    assert b"TooManyClients" in said
    fine(probe, pid)
    before = len(os.listdir(f"/proc/{pid}/fd"))
    for sock in crowd:
        sock.close()
    wait_until(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= before - MAX_CLIENTS + 2)
    late = raw(probe)
    late.sendall(frames.encode(HELLO))
    assert b'"hello"' in late.recv(4096)
    late.close()


def test_signals_that_people_send_end_nothing(probe: Probe) -> None:
    pid = probe.daemon_pid()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGCHLD):
        os.kill(pid, number)
    fine(probe, pid)


def test_many_big_outputs_fit_the_wire(probe: Probe) -> None:
    """Each task's outputs may have 1 Mi; a frame holds 16 Mi; control hears all of it."""
    script = 'printf "v=%s\\n" "$(head -c 900000 /dev/zero | tr "\\0" x)" >> "$XENE_OUTPUT"'
    tasks = {f"t{n}": {"outputs": ["v"], "steps": [{"name": "s", "run": script}]} for n in range(12)}
    run = probe.start({"tasks": tasks})
    assert probe.ended(run).phase == phases.SUCCESS
    again = Probe(probe.home)  # all of it at once
    again.orders = probe.orders
    assert again.ended(run).phase == phases.SUCCESS
    assert all(len(task["outputs"]["v"]) == 900_000 for task in again.tasks(run).values())
    again.close()


def test_two_follows_of_one_number_and_a_release_in_between(probe: Probe) -> None:
    pid = probe.daemon_pid()
    run = probe.start(one_step(WAITS))
    started(probe)
    for _ in range(2):
        probe.say(messages.follow(1, 5, run, live=True))
    go(probe, run)
    probe.ended(run)
    probe.say(messages.release(1, [run], [run]))
    probe.say(messages.release(1, [run], [run]))
    probe.say(messages.cancel(1, run, True))
    probe.say(messages.follow(1, 6, run, live=True))
    probe.wait(lambda: probe.one("failed"))
    fine(probe, pid)


def test_a_live_follow_that_waits_wakes_the_daemon_a_few_times_a_second(probe: Probe) -> None:
    pid = probe.daemon_pid()
    run = probe.start(one_step(WAITS))
    started(probe)
    probe.say(messages.follow(1, 5, run, live=True))

    def switches() -> int:
        text = Path(f"/proc/{pid}/status").read_text()
        return sum(int(line.split()[1]) for line in text.splitlines() if "ctxt_switches" in line)

    before, since = switches(), time.monotonic()
    time.sleep(1.0)
    assert switches() - before <= 40 * (time.monotonic() - since)
    go(probe, run)
    probe.ended(run)


@pytest.mark.parametrize("kill", [False, True])
def test_a_cancel_at_once_or_again_and_again_ends_with_proof(probe: Probe, kill: bool) -> None:
    order = make_order(one_step("echo $$; sleep 300 & sleep 300", gracePeriod="300ms"))
    probe.orders[order.id] = order
    probe.say(messages.start(1, order.to_json()))
    for _ in range(5):
        probe.say(messages.cancel(1, order.id, kill))
    for _ in range(5):
        probe.say(messages.cancel(1, order.id, True))
    state = probe.ended(order.id)
    assert (state.phase, state.reason) == (phases.ERROR, "Killed")
    assert not living(probe)
    assert sum(event["type"] == "cancel.asked" for event in probe.events) <= 2
    assert sum(event["type"] == "run.ended" for event in probe.events) == 1
    probe.say(messages.cancel(1, order.id, True))  # long ended: nothing is recorded
    fine(probe, probe.daemon_pid())
    assert [event["type"] for event in probe.events if event.get("run") == order.id][-1] == "run.ended"


def test_a_cancel_while_a_run_is_swept_ends_it_once(probe: Probe) -> None:
    run = probe.start(
        one_step(
            "(trap '' TERM; cd /; touch \"$XENE_WORKSPACE/on\"; sleep 300; sleep 300) &"
            " while [ ! -e on ]; do sleep 0.02; done"  # else the sweep may come before the trap
        )
    )
    probe.wait(lambda: any(event["type"] == "run.stopping" for event in probe.events))
    wait_until(lambda: os.path.exists(os.path.join(workspace(probe, run), "on")))
    probe.say(messages.cancel(1, run, False))
    probe.say(messages.cancel(1, run, True))
    assert probe.ended(run).phase == phases.SUCCESS  # all had ended when the cancel came
    assert not living(probe)
    assert sum(event["type"] == "run.ended" for event in probe.events) == 1


def test_a_timeout_or_a_kill_that_the_daemon_did_not_live_to_see_keeps_its_reason(probe: Probe) -> None:
    run = probe.start(one_step("echo > on; sleep 300", timeout="1s"))
    wait_until(lambda: os.path.exists(os.path.join(workspace(probe, run), "on")))
    started(probe)
    kill_daemon(probe)
    begun = next(event for event in probe.events if event["type"] == "step.started")
    wait_until(lambda: time.clock_gettime(time.CLOCK_BOOTTIME) > begun["up"] + 1)
    process.send(living(probe), signal.SIGKILL)  # what the daemon would have done
    second = again(probe)
    seen = second.tasks(run)["t"]["steps"][0]
    assert (seen["reason"], seen["exitCode"]) == ("Timeout", 124)
    second.close()


@pytest.mark.parametrize("kill", [False, True])
def test_a_cancel_just_before_the_daemon_dies_is_carried_out_by_the_next(probe: Probe, kill: bool) -> None:
    run = probe.start(one_step("trap '' TERM; setsid sleep 300 & sleep 300; sleep 300", gracePeriod="300ms"))
    started(probe)
    wait_until(lambda: len(living(probe)) >= 3)
    probe.say(messages.cancel(1, run, kill))
    probe.wait(lambda: any(event["type"] == "cancel.asked" for event in probe.events))
    kill_daemon(probe)
    second = again(probe)
    second.say(messages.cancel(1, run, True))
    state = second.ended(run)
    assert (state.phase, state.reason) == (phases.ERROR, "Killed")
    assert not living(probe)
    second.close()


def test_a_kill_while_no_daemon_lives_finds_the_step_ended_and_says_how(probe: Probe) -> None:
    run = probe.start(one_step(WAITS))
    started(probe)
    wait_until(lambda: os.path.exists(os.path.join(workspace(probe, run), "..", "count")))
    kill_daemon(probe)
    go(probe, run)
    wait_until(lambda: not living(probe))
    second = again(probe)
    second.say(messages.cancel(1, run, True))
    state = second.ended(run)
    assert (state.reason, state.by_seq[1][1].exit_code) == ("StepFailed", 7)  # it had ended, by itself
    second.close()
