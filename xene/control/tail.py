"""Following logs: pieces from the agents while runs go on, from the archive once it has them, nothing twice.

Called by `control.follow` and `control.logs`. It works over the connections of whoever holds the lock, or over
connections of its own (role reader) while somebody else does.
"""

from __future__ import annotations

import io
import os
import queue
import time
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Any, Callable, Iterable, Iterator, Mapping, NamedTuple

from xene.control.archive import ENDS, RUN_FILES, file_name, part_path, request_of, zip_path
from xene.control.place import Place
from xene.control.sessions import Came, Open, Sessions, open_channel
from xene.model.ids import from_file
from xene.store import agents, runs
from xene.store.db import State
from xene.store.events import plain
from xene.transport.session import Down, Got, Up
from xene.wire import messages

Source = tuple[str, str, str, int]  # run, task, step, attempt
Emit = Callable[[Source, bytes], None]
FIRST_REQUEST = 1_000_000  # the archive numbers its requests from 1
PIECE = 1024 * 1024  # bytes of an archived log that are held at a time
AGAIN = 0.2  # seconds until a run that its agent did not know yet is asked for again


@dataclass(frozen=True)
class Choice:
    """Which logs of a run; `lines`: only the last so many of each file.

    A task with a matrix stands for all its instances, `TASK[...]`.
    """

    task: str | None = None
    step: str | None = None
    attempt: int | None = None
    lines: int | None = None

    def takes(self, task: str, step: str, attempt: int) -> bool:
        mine = self.task in (None, task, task.partition("[")[0])
        return mine and self.step in (None, step) and self.attempt in (None, attempt)


@dataclass
class _Followed:
    """One run: how far each file was given out, and on which connection it was asked for."""

    offsets: dict[int, int] = field(default_factory=dict)
    token: int | None = None
    request: int = 0
    ask_at: float = 0.0
    done: bool = False
    failure: str = ""


class Tail:
    """The logs of some runs. `live`: until they end; else what there is now."""

    def __init__(self, ids: Iterable[str], emit: Emit, choice: Choice, *, live: bool = True) -> None:
        self._runs = {run: _Followed() for run in ids}
        self._emit, self._choice, self._live = emit, choice, live
        self._requests: dict[int, tuple[str, str]] = {}  # by number: the agent that was asked, the run

    def add(self, run: str) -> None:
        """Follow one more run."""
        self._runs.setdefault(run, _Followed())

    @property
    def done(self) -> bool:
        """Whether every log was given out, as far as it can be had."""
        return all(each.done for each in self._runs.values())

    def is_done(self, run: str) -> bool:
        """Whether the log of one run was given out."""
        return self._runs[run].done

    def failure(self, run: str) -> str:
        """Why the agent did not give a log, "" where it did."""
        return self._runs[run].failure

    def ask(self, found: Iterable[runs.Status], sessions: Sessions, directory: str) -> None:
        """Ask the agents for what is not being followed; take from the archive what is there."""
        for status in found:
            each = self._runs.get(status.id)
            if each is None or each.done:
                continue
            if status.archived:
                self.from_archive(directory, status.id)
            elif status.known:
                self._ask(each, status, sessions)

    def _ask(self, each: _Followed, status: runs.Status, sessions: Sessions) -> None:
        token = sessions.token(status.agent)
        if token is None or token == each.token or time.monotonic() < each.ask_at:
            return
        each.token, each.request = token, FIRST_REQUEST + len(self._requests)
        self._requests[each.request] = (status.agent, status.id)
        choice = self._choice
        message = messages.follow(
            sessions.epoch,
            each.request,
            status.id,
            live=self._live,
            task=choice.task,
            step=choice.step,
            attempt=choice.attempt,
            offsets={str(seq): offset for seq, offset in each.offsets.items()},
            tail=choice.lines,
        )
        sessions.send(status.agent, message)

    def take(self, agent: str, message: Mapping[str, Any], blob: bytes) -> None:
        """A piece, or the end of it. Only the agent that was asked may answer."""
        asked, run = self._requests.get(request_of(message), ("", ""))
        if asked != agent or self._runs[run].request != request_of(message):
            return
        each, kind = self._runs[run], message.get("type")
        if kind == "log":
            self._piece(run, each, message, blob)
        elif kind == "followed":
            each.done = True
        else:
            each.token, each.ask_at = None, time.monotonic() + AGAIN
            each.failure = plain(str(message.get("message")))[:500]

    def _piece(self, run: str, each: _Followed, message: Mapping[str, Any], blob: bytes) -> None:
        if file_name(message) is None or not isinstance(message.get("offset"), int):
            return  # no piece of a log; the archive says so when it comes there
        seq, offset = int(message["seq"]), int(message["offset"])
        if offset < 0 or (seq not in each.offsets and len(each.offsets) >= RUN_FILES):
            return
        have = each.offsets.get(seq, offset)
        if offset <= have < offset + len(blob):
            each.offsets[seq] = offset + len(blob)
            source = (run, str(message["task"]), str(message["step"]), int(message["attempt"]))
            self._emit(source, blob[have - offset :])

    def from_archive(self, directory: str, run: str) -> None:
        """Give out the rest of an archived log, or of what was collected of it so far."""
        each = self._runs[run]
        each.done = True
        for entry in _entries(directory, run):
            if self._choice.takes(*entry.source[1:]) and not self._from_end(each, entry):
                self._from_file(each, entry)

    def _from_end(self, each: _Followed, entry: _Entry) -> bool:
        """Give out the last lines of a large log, if only those are wanted and they are kept apart."""
        lines = self._choice.lines
        if lines is None or entry.end is None or entry.seq in each.offsets:
            return False
        data = entry.end()
        begin = _tail_offset(io.BytesIO(data), lines)
        if begin == 0:
            return False  # there may be more than is kept
        self._emit(entry.source, data[begin:])
        each.offsets[entry.seq] = entry.size
        return True

    def _from_file(self, each: _Followed, entry: _Entry) -> None:
        with entry.open() as file:
            start = each.offsets.get(entry.seq)
            if start is None:
                start = 0 if self._choice.lines is None else _tail_offset(file, self._choice.lines)
            file.seek(start)
            each.offsets[entry.seq] = start
            while data := file.read(PIECE):
                self._emit(entry.source, data)
                each.offsets[entry.seq] += len(data)


class _Entry(NamedTuple):
    """An archived log: what opens it, its size, and what reads its end, if that is kept apart."""

    seq: int
    source: Source
    open: Callable[[], IO[bytes]]
    size: int = 0
    end: Callable[[], bytes] | None = None


def read(directory: str, run: str) -> Iterator[tuple[int, Source, Callable[[], IO[bytes]]]]:
    """The files of an archived log in order, with what opens each; else those of `RUN.part/`, else nothing."""
    return (entry[:3] for entry in _entries(directory, run))


def _entries(directory: str, run: str) -> Iterator[_Entry]:
    import zipfile  # 15 ms, and only once a run is archived

    try:
        with zipfile.ZipFile(zip_path(directory, run)) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            for name in sizes:
                if not name.startswith(ENDS):
                    end = partial(archive.read, ENDS + name) if ENDS + name in sizes else None
                    yield _Entry(*_source(run, name), partial(archive.open, name), sizes[name], end)
            return
    except FileNotFoundError:
        pass
    part = part_path(directory, run)
    names = [name for name in (os.listdir(part) if os.path.isdir(part) else []) if name.endswith(".log")]
    for name in sorted(names, key=lambda name: int(name.split(".", 1)[0])):
        yield _Entry(*_source(run, name), partial(_open, os.path.join(part, name)))


def _open(path: str) -> IO[bytes]:
    return open(path, "rb")


def _source(run: str, name: str) -> tuple[int, Source]:
    seq, task, step, attempt, _ = name.split(".")
    return int(seq), (run, from_file(task), step, int(attempt))


def _tail_offset(file: IO[bytes], lines: int) -> int:
    """Where the last `lines` lines begin. A log may be larger than memory: it is read once, piece by piece."""
    begins: deque[int] = deque([0], max(lines, 0) + 1)
    size = 0
    while data := file.read(PIECE):
        end = data.find(b"\n")
        while end >= 0:
            begins.append(size + end + 1)
            end = data.find(b"\n", end + 1)
        size += len(data)
    if begins[-1] == size:  # nothing follows the last line's end
        begins.pop()
    wanted = list(begins)[-lines:] if lines > 0 else []
    return wanted[0] if wanted else size


class Reader:
    """Connections of one's own, for logs alone, while somebody else holds the lock."""

    def __init__(self, place: Place, state: State, *, open: Open = open_channel) -> None:
        self.inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.sessions = Sessions(place, state.uuid, state.epoch, self.inbox, role="reader", open=open)
        self.trouble: dict[str, str] = {}

    def turn(self, state: State, names: Iterable[str], tail: Tail, wait: float = 0.0) -> bool:
        """Connect to the agents `names`, and pass on what came within `wait` seconds. True if anything did."""
        heard = False
        with state.snapshot() as conn:
            rows = [row for name in names if (row := agents.read(conn, name)) is not None]
        self.sessions.reach(rows)
        try:
            while True:
                came = self.inbox.get(timeout=wait) if wait > 0 else self.inbox.get_nowait()
                wait, heard = 0.0, True
                if isinstance(came, Came):
                    came.taken()
                    if self.sessions.is_current(came):
                        self._take(came, tail)
        except queue.Empty:
            return heard

    def _take(self, came: Came, tail: Tail) -> None:
        item = came.item
        if isinstance(item, Up):
            self.sessions.went_up(item.agent, 0)
            self.trouble.pop(item.agent, None)
        elif isinstance(item, Down):
            self.sessions.went_down(item.agent)
            self.trouble[item.agent] = item.message
        elif isinstance(item, Got):
            tail.take(item.agent, item.message, item.blob)

    def close(self) -> None:
        self.sessions.close()


def following(found: Iterable[runs.Status]) -> list[str]:
    """The agents from which there is something to follow."""
    return sorted({status.agent for status in found if status.known and not status.archived})
