"""What systemd wants of a daemon: that it says when it is ready and that it is alive; and the unit that runs it.

Called by `commands.controller`. The protocol is that of sd_notify(3): datagrams to the socket in `$NOTIFY_SOCKET`.
"""

from __future__ import annotations

import os
import re
import socket
import time
from typing import Callable, Sequence

UNIT = "xene-controller.service"
_PLAIN = re.compile(r"[\w@/:=.,+$-]+")


class Notifier:
    """Tells systemd; does nothing where it did not start us. `now` is a monotonic clock, in seconds."""

    def __init__(
        self, environ: dict[str, str] | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        found = dict(os.environ if environ is None else environ)
        self._address = found.get("NOTIFY_SOCKET", "")
        pid = found.get("WATCHDOG_PID", "")
        wanted = found.get("WATCHDOG_USEC", "") if pid in ("", str(os.getpid())) else ""
        self._pause = int(wanted) / 2e6 if wanted.isdigit() else 0.0  # twice as often as it must be
        self._now, self._alive_at = now, 0.0

    def ready(self, status: str) -> None:
        """It has begun to do what it is there for, standing by included."""
        self._send(f"READY=1\nSTATUS={status}")

    def alive(self) -> None:
        """Called in every turn; says so when the watchdog's time is half over."""
        if self._pause and self._now() - self._alive_at >= self._pause:
            self._alive_at = self._now()
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.sendto(text.encode(), address)
        except OSError:
            pass  # systemd went away, or restarts: it asks again by itself


def unit(argv: Sequence[str], environment: dict[str, str], *, system: bool, user: str = "") -> str:
    """The text of a unit that runs the controller with `argv`. `user` is for units of the whole system."""
    settings = "".join(f"Environment={_quoted(f'{name}={value}')}\n" for name, value in environment.items())
    command = " ".join(_quoted(word.replace("$", "$$")) for word in argv)  # only there `$` means something
    whose = f"User={user}\n" if system and user else ""
    return (
        "[Unit]\n"
        "Description=Xene controller\n"
        "After=network-online.target\nWants=network-online.target\n"
        "StartLimitIntervalSec=0\n\n"
        "[Service]\n"
        "Type=notify\n"
        f"{whose}{settings}"
        f"ExecStart={command}\n"
        "ExecReload=/bin/kill -HUP $MAINPID\n"
        "Restart=always\nRestartSec=2\n"
        "WatchdogSec=60\nTimeoutStopSec=30\n"
        "# The agent `local` is its child, and its steps must outlive a restart of the controller.\n"
        "KillMode=process\n\n"
        "[Install]\n"
        f"WantedBy={'multi-user' if system else 'default'}.target\n"
    )


def _quoted(word: str) -> str:
    """A word as systemd.syntax(7) reads it: `%` is its own, quotes and backslashes are C's."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return escaped if _PLAIN.fullmatch(word) else f'"{escaped}"'


def unit_path(*, system: bool, environ: dict[str, str] | None = None) -> str:
    """Where the unit belongs."""
    if system:
        return os.path.join("/etc/systemd/system", UNIT)
    found = dict(os.environ if environ is None else environ)
    base = found.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(base, "systemd", "user", UNIT)
