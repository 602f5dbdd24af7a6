"""`xene controller install`, and what `xene controller` refuses."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

from tests.commands.terminal import Terminal
from tests.daemons import daemon
from tests.fleet import fleet


def test_the_unit_is_printed_and_written(tmp_path: Path) -> None:
    (tmp_path / "ops").mkdir()
    git = subprocess.run(["git", "init", "-q", "ops"], cwd=tmp_path)
    assert git.returncode == 0
    typed = Terminal(tmp_path / "home", tmp_path, {"XDG_CONFIG_HOME": str(tmp_path / "config")})
    words = ("controller", "install", "--user", "--repo", "ops", "--git", "--listen", "127.0.0.1:8080")
    dry = typed(*words, "--dry-run", code=0)
    path = tmp_path / "config" / "systemd" / "user" / "xene-controller.service"
    assert not path.exists() and str(path) in dry.err
    assert f"--repo {tmp_path / 'ops'} --git --listen 127.0.0.1:8080" in dry.out
    assert f"--state {tmp_path / 'home' / 'state.db'}" in dry.out
    done = typed(*words, code=0)
    assert path.read_text() == dry.out
    assert "systemctl --user daemon-reload && systemctl --user enable --now" in done.err
    verify(path)


def verify(path: Path) -> None:
    """By systemd itself, where it is there."""
    if shutil.which("systemd-analyze"):
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True
        )
        assert done.returncode == 0 and "xene" not in done.stderr, done.stderr


def test_what_it_starts_is_this_xene(tmp_path: Path) -> None:
    """The line of the unit, as systemd would run it, tells systemd how it stands."""
    with fleet(tmp_path, "local", count=1) as made, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bus:
        bus.bind(str(tmp_path / "notify"))
        bus.settimeout(30)
        made.env.update(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="200000")
        made.apply()
        with daemon(made) as first:
            assert bus.recv(4096).startswith(b"READY=1\nSTATUS=at work on")
            assert bus.recv(4096) == b"WATCHDOG=1"
            with daemon(made) as second:
                while (said := bus.recv(4096)) == b"WATCHDOG=1":
                    pass
                assert said == f"READY=1\nSTATUS=standing by for process {first.child.pid}".encode()
                assert second.end() == 0
            assert first.end() == 0
        while (said := bus.recv(4096)) != b"STOPPING=1":
            assert said in (b"WATCHDOG=1", b"STOPPING=1")


def test_what_makes_no_sense(tmp_path: Path) -> None:
    typed = Terminal(tmp_path / "home", tmp_path, {})
    for words, code in (
        (("start",), 2), (("install",), 2), (("install", "--user", "--system"), 2), (("--user",), 2),
        (("--dry-run",), 2), (("--git",), 2), (("--repo", "nowhere"), 4), (("--listen", "0.0.0.0:80"), 2),
    ):  # fmt: skip
        typed("controller", *words, code=code)
    assert not os.path.exists(tmp_path / "home")
