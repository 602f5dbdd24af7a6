"""A real `xene controller` without HTTP, beside a test: its process, and what it says.

with daemon(fleet) as controller:
    controller.says("at work")
    controller.send(signal.SIGKILL)
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.fleet import Fleet, until

_number = itertools.count(1)
# A controller that takes another one for hung after so many looks, half a second each.
IMPATIENT = (
    "import sys; from xene.control import standby; standby.HUNG = 3;"
    " from xene.cli import main; sys.exit(main())"
)


class Daemon:
    """Started at once; `says` waits for its words."""

    def __init__(self, fleet: Fleet, *words: str, impatient: bool = False) -> None:
        self.log = fleet.root / f"controller-{next(_number)}.log"
        self.child = _start(fleet, self.log, words, impatient)

    @property
    def said(self) -> str:
        return self.log.read_text()

    def says(self, words: str, times: int = 1) -> None:
        """Wait until it has said this so often."""

        def heard() -> bool:
            if self.said.count(words) >= times:
                return True
            assert self.child.poll() is None, f"it ended with {self.child.returncode}:\n{self.said}"
            return False

        until(heard, f"{words!r} in what the controller says:\n{self.said}")

    def send(self, number: signal.Signals) -> None:
        self.child.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """How it ended."""
        self.child.send_signal(number)
        return self.child.wait(timeout=30)


def _start(fleet: Fleet, log: Path, words: tuple[str, ...], impatient: bool) -> subprocess.Popen[str]:
    with log.open("ab") as file:
        if not impatient:
            return fleet.start("controller", *words, into=file)
        return subprocess.Popen(
            [sys.executable, "-c", IMPATIENT, "controller", *words],
            env={**os.environ, "XENE_HOME": str(fleet.home), "NO_COLOR": "1", **fleet.env},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            text=True,
        )


@contextlib.contextmanager
def daemon(fleet: Fleet, *words: str, impatient: bool = False) -> Iterator[Daemon]:
    """A controller, ended on leaving, however it stands then."""
    made = Daemon(fleet, *words, impatient=impatient)
    try:
        yield made
    finally:
        if made.child.poll() is None:
            made.child.send_signal(signal.SIGCONT)
            made.end()
