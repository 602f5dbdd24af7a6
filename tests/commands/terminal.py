"""The CLI as a real process, as users and scripts meet it. Used by the tests of commands and examples."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping

from tests import preloaded

ROOT = Path(__file__).resolve().parents[2]
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "XDG_CACHE_HOME")


@dataclass(frozen=True)
class Ended:
    """What a call left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Terminal:
    """Calls `xene` with a home of its own. `anew`: each is started from nothing, as a shell does it."""

    home: Path
    cwd: Path
    more: Mapping[str, str] = field(default_factory=dict)
    anew: bool = False

    def environment(self, **more: str) -> dict[str, str]:
        env = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
        return {**env, "XENE_HOME": str(self.home), "PYTHONPATH": str(ROOT), **self.more, **more}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "xene", *words]

    def __call__(self, *words: str, code: int | None = None, stdin: str = "", **env: str) -> Ended:
        """Run `xene WORDS`; with `code`, insist on that exit."""
        environ = self.environment(**env)
        if self.anew:
            done = subprocess.run(
                self.command(*words), input=stdin, capture_output=True, text=True, cwd=self.cwd, env=environ,
                timeout=90, check=False,
            )  # fmt: skip
        else:
            done = preloaded.run("xene", words, environ, timeout=90, stdin=stdin, cwd=self.cwd)
        ended = Ended(done.returncode, done.stdout, done.stderr)
        if code is not None:
            assert ended.code == code, f"{words}: exit {ended.code}\n{ended.out}\n{ended.err}"
        return ended


def _control() -> None:
    """Make stdin the controlling terminal, so that Ctrl-C on it is a signal."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def on_a_terminal(
    command: list[str],
    env: dict[str, str],
    keys: bytes = b"",
    rows: int = 24,
    after: str = "",
    pause: float = 0.0,
) -> tuple[int, str]:
    """Run `command` on a pseudo-terminal, as a user sees it; its exit code and all that was shown.

    `keys` are pressed once `after` is seen there, by somebody who thinks for `pause` seconds.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 100, 0, 0))
    shown = b""
    with subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**env, "TERM": "xterm"},
        start_new_session=True,
        preexec_fn=_control if after else None,
    ) as process:
        os.close(theirs)
        try:
            while True:
                if keys and after.encode() in shown:
                    time.sleep(pause)
                    os.write(ours, keys)
                    keys = b""
                shown += (piece := os.read(ours, 65536))
                if not piece:
                    break
        except OSError:
            pass  # EIO: the other side has closed
        os.close(ours)
    return process.returncode, shown.decode()
