"""Who gets SIGTERM: all that had started before the first one, once, also where it is found late."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from xene.agent import process
from xene.agent.process import Moment, Process
from xene.agent.stopping import Stopping


def now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def sleeper() -> tuple[subprocess.Popen[bytes], Process]:
    child = subprocess.Popen(["sleep", "300"])
    seen = process.look(child.pid)
    assert seen
    return child, seen.process


def test_what_was_missed_is_asked_later_and_what_began_later_never() -> None:
    first, found = sleeper()
    second, missed = sleeper()
    world = {found}
    sent: list[tuple[set[Process], int]] = []
    stopping = Stopping(lambda: world, 3600.0, now(), lambda some, number: sent.append((some, number)))
    stopping.step(now())
    third, later = sleeper()
    world = {found, missed, later}
    stopping.step(now())
    stopping.step(now())
    asked = [some for some, number in sent if number == signal.SIGTERM and some]
    assert asked == [{found}, {missed}]
    stopping.hasten(now())
    stopping.step(now())
    assert sent[-1] == (world, signal.SIGKILL)
    for child in (first, second, third):
        child.kill()
        child.wait()


def test_a_command_that_comes_after_the_first_signal_is_asked_with_all_that_it_has_started() -> None:
    """The shell around it outlives SIGTERM, and starts it all the same."""
    first, shell = sleeper()
    world = {shell}
    sent: list[tuple[set[Process], int]] = []
    commands: set[Process] = set()
    stopping = Stopping(
        lambda: world, 3600.0, now(), lambda some, number: sent.append((some, number)), commands.__contains__
    )
    stopping.step(now())
    (second, command), (third, child) = sleeper(), sleeper()
    commands.add(command)
    world = {shell, command, child}
    stopping.step(now())
    fourth, handlers = sleeper()
    world = {shell, command, child, handlers}
    stopping.step(now())
    asked = [some for some, number in sent if number == signal.SIGTERM and some]
    assert asked == [{shell}, {command, child}]
    for one in (first, second, third, fourth):
        one.kill()
        one.wait()


def test_a_command_that_is_still_a_copy_of_the_shell_is_asked_when_it_has_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, shell = sleeper()
    second, command = sleeper()
    sent: list[tuple[set[Process], int]] = []
    copies = {command}
    monkeypatch.setattr(process, "is_copy", copies.__contains__)
    stopping = Stopping(
        lambda: {shell, command},
        3600.0,
        now(),
        lambda some, number: sent.append((some, number)),
        {command}.__contains__,
    )
    stopping.step(now())
    copies.clear()
    stopping.step(now())
    stopping.step(now())
    asked = [some for some, number in sent if number == signal.SIGTERM and some]
    assert asked == [{shell}, {command}]
    for one in (first, second):
        one.kill()
        one.wait()


def test_a_fork_is_a_copy_until_it_becomes_its_program() -> None:
    line = ["sh", "-c", "(while :; do :; done) & echo $!; wait"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as shell:
        assert shell.stdout
        seen = process.look(int(shell.stdout.readline()))
        child, other = sleeper()
        assert seen and process.is_copy(seen.process) and not process.is_copy(other)
        process.send({seen.process, other}, signal.SIGKILL)
        child.wait()
    assert not process.is_copy(seen.process)


def test_within_one_tick_the_pid_decides() -> None:
    then = Moment(tick=100, newest=50)
    assert process.began_before(Process(99, 99), then)
    assert process.began_before(Process(50, 100), then)
    assert not process.began_before(Process(51, 100), then)
    assert not process.began_before(Process(2, 101), then)


def test_a_process_has_begun_by_the_moment_after_it() -> None:
    before = process.moment()
    child, found = sleeper()
    assert not process.began_before(found, before)
    assert process.began_before(found, process.moment())
    child.kill()
    child.wait()
