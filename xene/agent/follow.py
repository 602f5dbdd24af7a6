"""Logs on their way to control: the files of a run's step attempts, read by offset as there is room.

One `Follow` is one request of one client. The daemon calls `pump` when the client has room and, for a live one,
a few times a second while the run goes on.
"""

from __future__ import annotations

import os
import stat
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set, Tuple

from xene.agent.workspace import RunDirectory
from xene.engine.progress import RunProgress, StepProgress, TaskProgress
from xene.model import phases
from xene.wire import messages

PIECE = 256 * 1024  # bytes of log in a frame
TAIL_BLOCK = 64 * 1024
TAIL_MOST = 8 * 1024 * 1024  # bytes that are searched for line ends: a log of 2 GB may have none

Frame = Tuple[Dict[str, Any], bytes]


class Follow:
    """`request` is the client's message of type follow."""

    def __init__(self, request: Mapping[str, Any], run: RunProgress, directory: RunDirectory) -> None:
        self.id = int(request["id"])
        self.live = bool(request["live"])
        self.finished = False
        self._run, self._directory = run, directory
        self._task, self._step, self._attempt = request["task"], request["step"], request["attempt"]
        self._tail: Optional[int] = None if request["tail"] is None else int(request["tail"])
        self._offsets = {int(seq): max(0, int(offset)) for seq, offset in request["offsets"].items()}
        self._settled: Set[int] = set()  # ended and sent; looked at once more when the run has ended

    def pump(self) -> Iterator[Frame]:
        """The next pieces; the last frame is `followed`. The caller stops asking when its buffer is full."""
        ended = self._run.ended  # asked before the files are: what ends now is read next time
        for seq, task, step, attempt in self._files():
            if ended or seq not in self._settled:
                over = step.seq != seq or step.phase != phases.RUNNING
                yield from self._pieces(seq, task, step, attempt)
                if over:
                    self._settled.add(seq)
        if ended or not self.live:
            self.finished = True
            yield messages.followed(self.id, self._run.order.id, self._sizes()), b""

    def _files(self) -> List[Tuple[int, TaskProgress, StepProgress, int]]:
        return [
            (seq, task, step, attempt)
            for seq, (task, step, attempt) in sorted(self._run.by_seq.items())
            if self._task in (None, task.name, task.parent and task.parent.name)
            and self._step in (None, step.spec.name)
            and self._attempt in (None, attempt)
        ]

    def _path(self, seq: int, task: TaskProgress, step: StepProgress, attempt: int) -> str:
        return self._directory.log(seq, task.name, step.spec.name, attempt)

    def _pieces(self, seq: int, task: TaskProgress, step: StepProgress, attempt: int) -> Iterator[Frame]:
        path = self._path(seq, task, step, attempt)
        size = _size(path)
        if size is None:
            return
        if seq not in self._offsets:
            self._offsets[seq] = 0 if self._tail is None else tail_offset(path, size, self._tail)
        while self._offsets[seq] < size:
            offset = self._offsets[seq]
            piece = _read(path, offset)
            if not piece:
                return
            self._offsets[seq] += len(piece)
            names = (task.name, step.spec.name, attempt)
            yield messages.log(self.id, self._run.order.id, *names, seq, offset, size), piece

    def _sizes(self) -> List[Dict[str, Any]]:
        return [
            {
                "task": task.name,
                "step": step.spec.name,
                "attempt": attempt,
                "seq": seq,
                "size": _size(self._path(seq, task, step, attempt)),
            }
            for seq, task, step, attempt in self._files()
        ]


def _size(path: str) -> Optional[int]:
    """None where it was never written: the command could not be started. Or where a step put something else."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _read(path: str, offset: int, size: int = PIECE) -> bytes:
    """A piece; b"" where the file has gone meanwhile. A step may have laid a pipe there: never wait for it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.pread(descriptor, size, offset)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def tail_offset(path: str, size: int, lines: int) -> int:
    """Where the last `lines` lines of a file of `size` bytes begin, within its last `TAIL_MOST` bytes."""
    if lines <= 0:
        return size
    lowest = max(0, size - TAIL_MOST)
    end = size
    if _read(path, size - 1, 1) == b"\n":
        size -= 1  # the line end of the last line
    while end > lowest:
        start = max(lowest, end - TAIL_BLOCK)
        block = _read(path, start, min(end, size) - start)
        at = block.rfind(b"\n")
        while at >= 0:
            lines -= 1
            if not lines:
                return start + at + 1
            at = block.rfind(b"\n", 0, at)
        end = start
    return lowest
