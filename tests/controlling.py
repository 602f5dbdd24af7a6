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
import urllib.request
from collections.abc import Iterator

from tests.fleet import Fleet, until


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Controlling:
    """One address, and the process that serves it."""

    def __init__(self, fleet: Fleet, *words: str) -> None:
        self.fleet, self.words = fleet, words
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self.child: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it is ready to serve. What it says goes to `controller.log`."""
        log = self.fleet.root / "controller.log"
        with log.open("ab") as file:
            self.child = self.fleet.start("controller", "--listen", self.address, *self.words, into=file)
        child = self.child

        def ready() -> bool:
            assert child.poll() is None, f"the controller ended with {child.returncode}:\n{log.read_text()}"
            return self.is_ready()

        until(ready, f"a controller at {self.url}")

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """As by `kill -9`, in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end; how it did."""
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        assert self.child is not None
        self.child.send_signal(number)
        return self.child.wait(timeout=30)

    def token(self, name: str, role: str, *words: str) -> str:
        """A new token."""
        return self.fleet.xene("token", "create", name, "--role", role, *words).out.split()[-1]


@contextlib.contextmanager
def controlling(fleet: Fleet, *words: str) -> Iterator[Controlling]:
    """A controller that is ready, and ended on leaving."""
    made = Controlling(fleet, *words)
    made.start()
    try:
        yield made
    finally:
        if made.child is not None and made.child.poll() is None:
            made.stop()
