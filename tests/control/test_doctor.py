"""The control host looked at: each check broken on purpose, with the files and processes that it is about."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.control.conftest import Host, agent, eventually, workflow
from xene.control import doctor
from xene.errors import Unreachable
from xene.plan.health import OK, PROBLEM, SKIPPED, WARNING, Check
from xene.store import files
from xene.transport.examination import Said

HOLDER = """
import os, signal, sys
from xene.control.lock import Lock
assert Lock(sys.argv[1]).acquire()
os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def shop(host: Host) -> Host:
    host.apply(workflow("shop"), agent("a"))
    return host


def well(target: Any, trusted: list[str]) -> Said:
    return Said(
        "", {"now": [repr(time.time())], "python": ["3.11.1"], "done": ["yes"]}, time.time(), time.time()
    )


def look(host: Host, *names: str, ask: Any = well) -> dict[str, doctor.Report]:
    return {each.agent or "control": each for each in doctor.look(host.place, list(names), ask=ask)}


def checks(host: Host) -> dict[str, Check]:
    return {each.name: each for each in look(host)["control"].checks}


def test_a_control_host_that_is_well(shop: Host) -> None:
    found = checks(shop)
    assert {each.level for each in found.values()} <= {OK, SKIPPED}
    assert "is whole" in found["state"].message


def test_no_state_yet(host: Host) -> None:
    assert "no state" in checks(host)["state"].message
    assert not os.path.exists(host.place.home)


def test_a_network_file_system(shop: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "file_system", lambda _: "nfs4")
    found = look(shop)
    assert list(found) == ["control"]  # the state is not even opened
    assert found["control"].checks[0].level == PROBLEM and "nfs4" in found["control"].checks[0].message


def test_a_damaged_state(shop: Host) -> None:
    with open(shop.place.state, "r+b") as file:
        file.seek(4096)
        file.write(os.urandom(4096 * 4))
    found = look(shop)
    assert list(found) == ["control"]
    assert found["control"].checks[0].level == PROBLEM and "damaged" in found["control"].checks[0].message


def test_a_clock_that_is_behind(shop: Host) -> None:
    with shop.state() as state, state.transaction() as conn:
        conn.execute("UPDATE agents SET last_seen_at = ?", (time.time() + 3600,))
    assert checks(shop)["clock"].level == PROBLEM


@pytest.mark.parametrize(("says", "level"), [("no", WARNING), ("yes", OK), ("", SKIPPED)])
def test_ntp(says: str, level: str, shop: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "timedatectl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n[ "$*" = "show -p NTPSynchronized --value" ] && echo {says}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    assert checks(shop)["clock"].level == level


def test_a_holder_of_the_lock_that_stands_still(shop: Host) -> None:
    assert "nobody is at work" in checks(shop)["lock"].message
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, shop.place.state])
    try:
        eventually(lambda: checks(shop)["lock"].level == PROBLEM, "it is found to be stopped")
        assert f"kill -CONT {holder.pid}" in checks(shop)["lock"].remedy
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert checks(shop)["lock"].level == OK


@pytest.mark.parametrize(
    ("name", "mode", "loose"),
    [
        ("", 0o755, True), ("state.db", 0o644, True), ("secrets.env", 0o644, True), ("secrets.env", 0o600, False),
        ("identity.age", 0o640, True), ("config.yaml", 0o644, False), ("config.yaml", 0o666, True),
    ],
)  # fmt: skip
def test_modes(name: str, mode: int, loose: bool, shop: Host) -> None:
    path = Path(shop.place.home, name)
    if not path.exists():
        path.touch()
    path.chmod(mode)
    found = checks(shop)["modes"]
    assert (found.level == PROBLEM) == loose
    assert not loose or f"{mode:04o}" in found.message


def test_a_full_disk(shop: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(shop.place.home)
    fields = list(real)
    fields[3] = fields[4] = 1  # free blocks
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(fields))
    assert checks(shop)["disk"].level == PROBLEM


def test_names_choose_agents_and_leave_out_the_control_host(shop: Host) -> None:
    assert list(look(shop)) == ["control", "a"]
    assert list(look(shop, "a")) == ["a"]


def test_an_agent_out_of_reach(shop: Host) -> None:
    def away(target: Any, trusted: list[str]) -> Said:
        raise Unreachable("agent a: no route", hint="see that it is up", code="HostUnreachable")

    def ours(target: Any, trusted: list[str]) -> Said:
        raise Unreachable("config:3: what is that", hint="correct it", code="SshConfigInvalid")

    found = look(shop, ask=away)["a"]
    assert not found.reached and found.checks == [
        Check("connection", PROBLEM, "no route", "see that it is up")
    ]
    assert look(shop, ask=ours)["a"].reached
