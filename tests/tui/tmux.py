"""A real terminal, driven by keys, its screen read as text: tmux, with a server of its own."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Mapping

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 30.0


class Tmux:
    """One window of `size`; `press` sends keys, by tmux's names, or as they are."""

    def __init__(self, socket: Path) -> None:
        self._socket = str(socket)

    def _tmux(self, *words: str) -> str:
        command = ["tmux", "-S", self._socket, "-f", "/dev/null", *words]
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}  # what runs there gets this, too
        return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout

    def begin(self, command: list[str], env: Mapping[str, str], size: tuple[int, int]) -> None:
        width, height = map(str, size)
        given = [word for key, value in env.items() for word in ("-e", f"{key}={value}")]
        line = f"{shlex.join(command)}; echo left with $?; exec cat"
        self._tmux("new-session", "-d", "-x", width, "-y", height, *given, line)

    def press(self, *keys: str) -> None:
        for key in keys:
            self._tmux("send-keys", key)

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)

    def paste(self, text: str) -> None:
        """As from the clipboard."""
        self._tmux("set-buffer", "--", text)
        self._tmux("paste-buffer", "-p", "-r")

    @property
    def text(self) -> str:
        return self._tmux("capture-pane", "-p")

    def sees(self, *words: str) -> str:
        """Wait until all of this stands on the screen; the screen."""
        deadline = time.monotonic() + DEADLINE
        while not all(word in (text := self.text) for word in words):
            assert time.monotonic() < deadline, f"waited in vain for {words}; the terminal shows\n{text}"
            time.sleep(0.05)
        return text

    @property
    def processes(self) -> list[str]:
        """The pids of what runs in it."""
        return _children(int(self._tmux("display-message", "-p", "#{pane_pid}")))

    def started(self) -> dict[str, str]:
        """What the screen has started, and what is below that: command lines by pid."""
        return {pid: line for each in self.processes for pid, line in _below(each)}

    def leave(self) -> None:
        """The terminal goes away, as when a connection drops; wait until the screen has ended."""
        group = self.processes
        self._tmux("kill-server")
        deadline = time.monotonic() + DEADLINE
        while any(os.path.exists(f"/proc/{each}") for each in group):
            assert time.monotonic() < deadline, "the screen goes on without its terminal"
            time.sleep(0.02)


def _children(pid: int) -> list[str]:
    """What the shell of the window has started."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return file.read().split()


def _below(pid: str) -> Iterator[tuple[str, str]]:
    """All processes below one. Threads start some, too."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            yield child, Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
            yield from _below(child)


@contextmanager
def terminal(
    directory: Path, words: list[str], env: Mapping[str, str], size: tuple[int, int] = (100, 30)
) -> Iterator[Tmux]:
    """`xene WORDS` on a terminal. It has ended when this is left."""
    if shutil.which("tmux") is None:
        pytest.skip("the program `tmux` is MISSING: apt-get install tmux (`make test` tries to)")
    made = Tmux(directory / "tmux")
    full = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        **env,
    }
    made.begin([sys.executable, "-m", "xene", *words], full, size)
    try:
        yield made
    finally:
        made.leave()
