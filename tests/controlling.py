"""A real `xene controller` at work beside a test, which may be killed and started again at the same address.

with controlling(fleet) as controller:
    controller.url, controller.token("ci", "trigger")
    controller.kill(); controller.start()
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
from collections.abc import Iterator
from urllib.parse import urlsplit

from tests.fleet import Fleet, until

DEADLINE = 30.0


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Controlling:
    """One address, and the process that serves it. What it says since it was started last is in `log`."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.log = fleet, fleet.root / "controller.log"
        self.child: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> None:
        """Begin, and wait until it is at work and listens: where it did before, the first time on any port."""
        address = urlsplit(self.url).netloc or "127.0.0.1:0"
        with open(self.log, "w") as log:
            self.child = self.fleet.start("controller", "--listen", address, into=log)
        self.url = until(self._listens, "the controller to listen")

    def _listens(self) -> str:
        assert self.child is not None and self.child.poll() is None, self.log.read_text()
        lines = self.log.read_text().splitlines()
        urls = [line.rpartition(" ")[2] for line in lines if " listens on " in line]
        return urls[0] if urls and any(" at work on " in line for line in lines) else ""

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; its exit code."""
        assert self.child is not None
        if self.child.poll() is None:
            self.child.send_signal(number)
        return self.child.wait(DEADLINE)

    def kill(self) -> None:
        """As by `kill -9`, in the middle of whatever it does."""
        self.stop(signal.SIGKILL)

    def token(self, name: str, role: str, *more: str) -> str:
        """A new token."""
        return self.fleet.xene("token", "create", name, "--role", role, *more).out.splitlines()[-1]


@contextlib.contextmanager
def controlling(fleet: Fleet) -> Iterator[Controlling]:
    """A controller that is ready, and ended on leaving."""
    made = Controlling(fleet)
    made.start()
    try:
        yield made
    finally:
        made.stop()
