"""The command line, run as a process of its own: what acts, answers of `why` and logs come from. Used by the app.

So what the screen does is what it shows: the same words in a shell do the same. Nothing here blocks the loop.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from typing import NamedTuple, Sequence


class Ran(NamedTuple):
    """What a command left behind."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str


XENE = (sys.executable, "-m", "xene")


class CommandLine:
    """`xene` for one state. `state` and `home` are paths; `named`: `xene` alone would take another state."""

    def __init__(self, state: str, home: str, *, named: bool, program: Sequence[str] = XENE) -> None:
        self._state, self._named, self._program = state, named, program
        self._begun: list[asyncio.subprocess.Process] = []
        self._env = {**os.environ, "XENE_STATE": state, "XENE_HOME": home, "NO_COLOR": "1"}

    def shown(self, words: Sequence[str]) -> str:
        """What to type for the same."""
        more = ["--state", self._state] if self._named else []
        return shlex.join(["xene", *words, *more])

    async def start(self, words: Sequence[str]) -> asyncio.subprocess.Process:
        """Start it, with pipes for its output; the caller reads them, waits, and ends it."""
        process = await asyncio.create_subprocess_exec(
            *self._program,
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._env,
            limit=1024 * 1024,
            start_new_session=True,  # a Ctrl-C on the terminal is the screen's alone
        )
        self._begun = [each for each in self._begun if each.returncode is None] + [process]
        return process

    async def left(self) -> None:
        """The screen is left: ask all that go on to detach, and wait until they have."""
        self.end_all()
        for process in self._begun:
            await process.wait()

    def end_all(self) -> None:
        """Ask all that go on to detach."""
        for process in self._begun:
            if process.returncode is None:
                end(process)

    async def run(self, words: Sequence[str]) -> Ran:
        """Run it to its end."""
        process = await self.start(words)
        try:
            out, err = await process.communicate()
        except asyncio.CancelledError:
            end(process)
            await process.wait()
            raise
        return Ran(tuple(words), process.returncode or 0, _text(out), _text(err))


def end(process: asyncio.subprocess.Process) -> None:
    """Ask it to detach: nothing that it started is stopped by that. Harmless once it has ended."""
    try:
        process.terminate()
    except ProcessLookupError:
        pass


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
