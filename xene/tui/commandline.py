"""The command line, run as a process of its own: what acts, answers of `why` and logs come from. Used by the app.

So what the screen does is what it shows: the same words in a shell do the same. Nothing here blocks the loop.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import signal
import sys
from typing import IO, NamedTuple, Sequence, Union

from xene.tui import shell_words

Output = Union[int, IO[bytes]]
PIPES = (asyncio.subprocess.PIPE, asyncio.subprocess.PIPE)


class Ran(NamedTuple):
    """What a command left behind."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str


PATIENCE = 5.0  # seconds that a command has to detach when the screen is left
LONG = 10.0  # the same of an act: what it is to do must stand in the state first
NOT_STARTED = 126  # as a shell has it
_PR_SET_PDEATHSIG = 1
_PRCTL = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
XENE = (sys.executable, "-m", "xene")


class NotStarted(Exception):
    """The system would not start a command; why, for people."""


class CommandLine:
    """`xene` for one state. `state` and `home` are paths; `named`: `xene` alone would take another state."""

    def __init__(self, state: str, home: str, *, named: bool, program: Sequence[str] = XENE) -> None:
        self._state, self._named, self._program = state, named, program
        self._begun: list[asyncio.subprocess.Process] = []
        self._acts: list[asyncio.subprocess.Process] = []
        self._env = {**os.environ, "XENE_STATE": state, "XENE_HOME": home, "NO_COLOR": "1"}

    def shown(self, words: Sequence[str]) -> str:
        """What to type for the same."""
        more = ["--state", self._state] if self._named else []
        return shell_words.joined(["xene", *words, *more])

    async def start(
        self, words: Sequence[str], *, act: bool = False, into: tuple[Output, Output] = PIPES
    ) -> asyncio.subprocess.Process:
        """Start it, with pipes for its output; the caller reads them, waits, and ends it. Raises NotStarted.

        An `act` that is asked to end does so once what it is to do stands in the state (`control.drive`).
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *self._program,
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=into[0],
                stderr=into[1],
                env=self._env,
                limit=1024 * 1024,
                start_new_session=True,  # a Ctrl-C on the terminal is the screen's alone
                preexec_fn=_begin_act if act else _end_with_parent,
            )
        except OSError as error:
            raise NotStarted(f"it cannot be started: {_why(error)}") from None
        self._begun = [each for each in self._begun if each.returncode is None] + [process]
        self._acts = [each for each in self._acts if each.returncode is None] + [process] * act
        return process

    async def left(self) -> None:
        """The screen is left: ask all that go on to detach, and wait until they have; what does not is killed."""
        self.end_all()
        others = [process for process in self._begun if process not in self._acts]
        await asyncio.gather(_ended(others, PATIENCE), _ended(self._acts, LONG))

    def end_all(self) -> None:
        """Ask all that go on to detach."""
        for process in self._begun:
            if process.returncode is None:
                end(process)

    async def run(self, words: Sequence[str], *, act: bool = False) -> Ran:
        """Run it to its end. What the system will not start has an exit code too, and is said to be so."""
        with _kept() as out, _kept() as err:
            try:
                process = await self.start(words, act=act, into=(out, err))
            except NotStarted as error:
                return Ran(tuple(words), NOT_STARTED, "", f"error: {error}\n")
            try:
                await process.wait()
            except asyncio.CancelledError:
                end(process)
                await process.wait()
                raise
            return Ran(tuple(words), process.returncode or 0, _said(out), _said(err))


def _kept() -> IO[bytes]:
    """What keeps what a command says: a pipe would break when the screen is killed, and the command with it."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("xene"), "w+b")
    import tempfile  # where there is nothing like it

    return tempfile.TemporaryFile()


def _said(kept: IO[bytes]) -> str:
    kept.seek(0)
    return _text(kept.read())


def _end_with_parent() -> None:
    """In the child, before it becomes another program: it is asked to detach when the screen is killed, too.

    Nothing is imported and nothing is locked here, since the screen has threads.
    """
    if _PRCTL is not None:
        _PRCTL(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _begin_act() -> None:
    """The same, but that is put off until the command says that it may be: Python takes 0.2 s to begin alone."""
    _end_with_parent()
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))


async def _ended(processes: Sequence[asyncio.subprocess.Process], seconds: float) -> None:
    """Wait until they have ended, at most so long; then kill what has not."""
    waits = [asyncio.create_task(process.wait()) for process in processes]
    if waits and (await asyncio.wait(waits, timeout=seconds))[1]:
        for process in processes:
            _kill(process)
        await asyncio.wait(waits)


def end(process: asyncio.subprocess.Process) -> None:
    """Ask it to detach: nothing that it started is stopped by that. Harmless once it has ended."""
    try:
        process.terminate()
    except ProcessLookupError:
        pass


def _kill(process: asyncio.subprocess.Process) -> None:
    """End it, and what it has started in its session. What it did can be repeated, as after any crash."""
    if process.returncode is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has ended meanwhile


def _why(error: OSError) -> str:
    """Of the system's words for a value that is too long nobody could tell that they mean that."""
    if error.errno == errno.E2BIG:
        return "a value is longer than a command line takes (128 KiB each)"
    return error.strerror or str(error)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
