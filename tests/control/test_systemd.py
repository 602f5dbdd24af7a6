"""What systemd is told, and the unit that starts the controller."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from xene.control import systemd
from xene.control.systemd import Notifier


@pytest.fixture
def bus(tmp_path: Path) -> socket.socket:
    """Where systemd listens."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(tmp_path / "notify"))
    sock.settimeout(10)
    return sock


def heard(bus: socket.socket) -> str:
    return bus.recv(4096).decode()


def test_ready_alive_and_stopping(bus: socket.socket) -> None:
    at = 100.0
    with bus:
        notifier = Notifier({"NOTIFY_SOCKET": bus.getsockname(), "WATCHDOG_USEC": "4000000"}, lambda: at)
        notifier.ready("standing by")
        assert heard(bus) == "READY=1\nSTATUS=standing by"
        notifier.alive()
        assert heard(bus) == "WATCHDOG=1"
        at += 1.9
        notifier.alive()
        notifier.stopping()
        assert heard(bus) == "STOPPING=1"  # twice in its time is enough
        at += 0.2
        notifier.alive()
        assert heard(bus) == "WATCHDOG=1"


def test_an_abstract_address_and_the_watchdog_of_another_process(tmp_path: Path) -> None:
    name = f"xene-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0" + name)
        sock.settimeout(10)
        notifier = Notifier({"NOTIFY_SOCKET": "@" + name, "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"})
        notifier.alive()
        notifier.ready("x")
        assert heard(sock).startswith("READY=1")


def test_without_systemd_nothing_is_said(tmp_path: Path) -> None:
    Notifier({}).ready("x")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("x")


def test_words_reach_the_program_as_they_are() -> None:
    text = systemd.unit(["/opt/x y/xene", "$HOME", "50%", 'a"b\\c'], {"XENE_HOME": "/h %n"}, system=False)
    assert 'ExecStart="/opt/x y/xene" $$HOME "50%%" "a\\"b\\\\c"\n' in text
    assert 'Environment="XENE_HOME=/h %%n"\n' in text
    assert "User=" not in text and "WantedBy=default.target" in text


def test_a_unit_of_the_system_runs_as_its_owner() -> None:
    text = systemd.unit(["/usr/bin/xene"], {}, system=True, user="ops")
    assert "User=ops\n" in text and "WantedBy=multi-user.target" in text
    for line in ("Type=notify", "KillMode=process", "Restart=always", "ExecReload=/bin/kill -HUP $MAINPID"):
        assert f"{line}\n" in text


def test_where_it_belongs() -> None:
    assert systemd.unit_path(system=True) == "/etc/systemd/system/xene-controller.service"
    assert (
        systemd.unit_path(system=False, environ={"XDG_CONFIG_HOME": "/c"})
        == f"/c/systemd/user/{systemd.UNIT}"
    )
