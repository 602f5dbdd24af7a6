"""The agent's journal: numbered, checksummed records, appended and made durable before what they announce.

A record is one line: eight hex digits of CRC-32, a space, JSON with `n`. The first record names the journal by a
uuid of its own, so that a home that was wiped or restored is seen. A torn tail is cut at the last whole record.
Damage before whole records is no torn tail: such a journal is set aside under a name, and a new one begins.
Only the daemon that holds the lock writes here.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from typing import Any, Callable, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from xene.agent.complaints import complain
from xene.agent.home import sync_directory, write_whole
from xene.model.events import Event

_ENCODE = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Journal:
    """`append` numbers records; nothing is durable, nor may be acted on, before `flush`."""

    def __init__(self, path: str, descriptor: int, uuid: str, last: int, size: int) -> None:
        self.path = path
        self.outlives_host = True  # False: it need not survive a loss of power, only of processes
        self.uuid = uuid
        self.last = last
        self.durable = last  # the highest number that is on disk
        self.size = size
        self._descriptor = descriptor
        self._pending: List[bytes] = []
        self._torn = False  # a failed write may have left bytes behind `size`

    def append(self, event: Event) -> Event:
        """Number `event` and keep it for the next `flush`."""
        self.last += 1
        event["n"] = self.last
        self._pending.append(_line(event))
        return event

    def flush(self) -> None:
        """Make all that was appended durable. Raises OSError, with the file as it was before."""
        if not self._pending:
            return
        data = b"".join(self._pending)
        if self._torn:
            self._mend()
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
            if self.outlives_host:
                os.fdatasync(self._descriptor)
        except OSError:
            self._torn = True
            self._mend()
            raise
        self._pending.clear()
        self.size += len(data)
        self.durable = self.last

    def _mend(self) -> None:
        os.ftruncate(self._descriptor, self.size)
        self._torn = False

    @property
    def gone(self) -> bool:
        """Whether the file was removed, or another took its place, behind this daemon's back."""
        mine = os.fstat(self._descriptor)
        try:
            there = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return True
        return (mine.st_dev, mine.st_ino) != (there.st_dev, there.st_ino)

    def read(self, after: int) -> Iterator[Event]:
        """The durable records numbered above `after`."""
        with open(self.path, "rb") as lines:
            for line in lines:
                event = _parse(line)
                if event is None:
                    return
                if event["n"] > after:
                    yield event

    def compact(
        self, keep: Callable[[Event], Optional[Event]], found: Callable[[], Mapping[str, Any]]
    ) -> None:
        """Rewrite the journal with what `keep` leaves of the records (None: nothing); numbers and uuid stay.

        What `found` gives, asked last, goes into the first record: what is to be known of those that are no more.
        """
        self.flush()
        records = self.read(0)
        begun = {**next(records), "through": self.last}  # a number is never used twice
        kept = b"".join(_line(event) for event in map(keep, records) if event is not None)
        data = _line({**begun, **found()}) + kept
        write_whole(self.path, data)
        old, self._descriptor = self._descriptor, _open(self.path)
        os.close(old)
        self.size = len(data)

    def close(self) -> None:
        os.close(self._descriptor)


def open_journal(path: str, begun: Event) -> Tuple[Journal, Iterator[Event]]:
    """Open the journal, or begin one with the record `begun`; give it and all its records, one after the other."""
    found = _survey(path) if os.path.exists(path) else None
    if os.path.exists(path) and found is None:
        set_aside(path, "damaged")
    if found is None:
        begun["n"] = 1
        write_whole(path, _line(begun))
        found = _survey(path)
        assert found is not None  # what was just written
    descriptor = _open(path)
    if os.fstat(descriptor).st_size != found.size:
        os.ftruncate(descriptor, found.size)
        os.fsync(descriptor)
        sync_directory(os.path.dirname(path))
    journal = Journal(path, descriptor, found.uuid, found.last, found.size)
    return journal, journal.read(0)


def recover(path: str) -> Tuple[List[Event], int]:
    """All whole records from the start, and the size in bytes up to the end of the last one."""
    events: List[Event] = []
    size = 0
    with open(path, "rb") as lines:
        for line in lines:
            event = _parse(line)
            if event is None:
                break
            events.append(event)
            size += len(line)
    return events, size


class _Found(NamedTuple):
    """A journal's uuid, its last number, and its size in bytes up to the end of the last whole record."""

    uuid: str
    last: int
    size: int


def _survey(path: str) -> Optional[_Found]:
    """None where it does not begin as a journal does, or has whole records behind one that is not.

    A crash tears the end and nothing else. What stands behind damage was told and acted on, and must not be cut
    off as if it had never been. One record is looked at after the other: all of them may be too much at once.
    """
    with open(path, "rb") as lines:
        line = next(lines, b"")
        first = _parse(line)
        if first is None or first.get("type") != "journal.begun":
            return None
        last, size, torn = max(first["n"], first.get("through", 0)), len(line), False
        for line in lines:
            event = _parse(line)
            if event is not None and torn:
                return None
            if event is None:
                torn = True
                continue
            last, size = max(last, event["n"]), size + len(line)
    return _Found(first["journal"], last, size)


def set_aside(path: str, why: str) -> str:
    """Move a journal that cannot be gone on with out of the way; its new name. Nothing of it is lost."""
    target = f"{path}.{why}-{int(time.time())}-{os.getpid()}"
    os.rename(path, target)
    sync_directory(os.path.dirname(path))
    complain(
        f"the journal is {why}: it is kept as {target} and a new one begins; control will report the runs that it "
        "held as lost"
    )
    return target


def _open(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)


def _line(event: Event) -> bytes:
    body = _ENCODE(event).encode("utf-8", "surrogateescape")
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _parse(line: bytes) -> Optional[Event]:
    if len(line) < 11 or line[8:9] != b" " or not line.endswith(b"\n"):
        return None
    body = line[9:-1]
    try:
        if int(line[:8], 16) != zlib.crc32(body):
            return None
        event: Event = json.loads(body)
    except ValueError:
        return None
    return event
