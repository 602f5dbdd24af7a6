"""The process between a step that is given secrets and its log: it masks before a byte is written.

`start` is called by the daemon just before such a step; the step's output goes into the pipe, the masker appends
to the log what `engine.mask` lets through, at once. It is a fork of the daemon, so that the values pass through
no file, argument or environment; it lives until every writer of the pipe is gone, also when the daemon is killed.
While it lives it holds a lock on the log: `finished` tells any later daemon whether the log is whole.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import time
from typing import Iterable, Set, Tuple

from xene.agent.process import MASKER
from xene.engine.mask import Masker, Needles

CHUNK = 65536  # bytes, what a pipe holds
_FULL = (errno.ENOSPC, errno.EDQUOT)
_RETRY = 0.2  # seconds between two tries on a full disk; the step waits meanwhile
_LAST_TRIES = 60.0  # seconds for which it tries after the step has ended
_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGXFSZ, signal.SIGPIPE)
_RESET = (signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)
_PR_SET_NAME = 15
_PR_SET_DUMPABLE = 4


def start(needles: Needles, log: str) -> Tuple[int, int]:
    """Start one that writes to the file `log` (made 0600). Its pid, and the end of the pipe to write to.

    The caller gives that end to the step as stdout and stderr, and closes its own copy: the masker ends when the
    last copy is closed. It is a child of the caller and must be reaped. Raises OSError.
    """
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(output, fcntl.LOCK_EX | fcntl.LOCK_NB)
        reading, writing = os.pipe()
        try:
            pid = _fork(needles, reading, output)
        except OSError:
            os.close(writing)
            raise
        finally:
            os.close(reading)
    finally:
        os.close(output)
    return pid, writing


def finished(log: str) -> bool:
    """Whether no masker writes to `log` any more. True where there is no such file."""
    try:
        descriptor = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)


def forbid_inspection() -> None:
    """Let no other process of this user read this one's memory (ptrace, /proc/PID/mem, core files). Root can."""
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _fork(needles: Needles, reading: int, output: int) -> int:
    """The pid of the child. Signals wait until the child has its own ways of taking them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*_IGNORED, *_RESET))
    try:
        pid = os.fork()
        if pid == 0:
            _become_masker(needles, reading, output, before)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _become_masker(needles: Needles, reading: int, output: int, mask: Set[int]) -> None:
    """All of the child's life. It never returns, whatever happens: the daemon's code must not run twice."""
    code = 1
    try:
        forbid_inspection()
        ctypes.CDLL(None).prctl(_PR_SET_NAME, MASKER.encode(), 0, 0, 0)
        os.setsid()
        os.chdir("/")
        signal.set_wakeup_fd(-1)
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        for number in _RESET:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        close_all_but((reading, output))
        _copy(Masker(needles), reading, output)
        code = 0
    except BaseException:  # noqa: BLE001 there is nobody to tell; the step gets EPIPE
        code = 1
    finally:
        os._exit(code)


def close_all_but(kept: Iterable[int]) -> None:
    """The daemon's lock, sockets and journal, and the pipes of other steps, must not live on here."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    keep = {0, 1, 2, *kept}
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        if descriptor not in keep:
            try:
                os.close(descriptor)
            except OSError:  # the one by which the directory was read
                pass


def _copy(masker: Masker, reading: int, output: int) -> None:
    while True:
        data = os.read(reading, CHUNK)
        if not data:
            break
        _write(output, masker.feed(data), float("inf"))
    _write(output, masker.flush(), time.monotonic() + _LAST_TRIES)


def _write(output: int, data: bytes, until: float) -> None:
    """Append all of `data`. On a full disk it waits for room, as long as the file is there and until `until`."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(output, view) :]
        except OSError as error:
            gone = os.fstat(output).st_nlink == 0
            if error.errno not in _FULL or gone or time.monotonic() > until:
                raise
            time.sleep(_RETRY)
