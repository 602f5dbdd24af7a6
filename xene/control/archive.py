"""Logs of ended runs, on their way from the agent to `RUN.zip`: collected by offset into `RUN.part/`, then packed.

Called by `control.passes` on the control thread; packing happens on a thread of its own, which answers with a
`Packed` in the inbox. What a crash leaves in `RUN.part/` is gone on with; after a power cut it is begun anew.
Agents are not trusted: only what was asked for is taken, names are checked, and a run's logs have a limit.
"""

from __future__ import annotations

import os
import queue
import shutil
import threading
from typing import TYPE_CHECKING, Any, Mapping, NamedTuple

from xene.errors import Storage
from xene.model.ids import file_safe, is_name, is_run_id, is_task_name
from xene.store.events import plain
from xene.store.files import make_private_directory, make_private_file, sync_directory

if TYPE_CHECKING:
    from zipfile import ZipInfo

RUN_BYTES = 1024 * 1024 * 1024  # of the logs of one run; what is more stays behind
RUN_FILES = 100_000  # step attempts of one run whose logs are kept: an agent may name as many as it likes
LOST = "its archive is not there any more"
NAME_MOST = 255  # bytes of a file's name
ENDS = "ends/"  # before the name of an entry that holds the end of a large log once more
LARGE = 4 * 1024 * 1024  # bytes of a log from which on its end is kept apart
END = 256 * 1024  # bytes of that end: a thousand lines and more
_packing = threading.Lock()  # one at a time: it is the disk that is slow


class Packed(NamedTuple):
    """A log is settled: `log` is complete, partial or gone, `message` says why.

    `error`: it could not be written; the log is not settled.
    """

    run: str
    log: str
    message: str | None = None
    error: str | None = None


class _Collecting:
    """One request for the logs of one run."""

    def __init__(self, agent: str, run: str, sizes: dict[str, int]) -> None:
        self.agent, self.run, self.sizes = agent, run, sizes
        self.total = sum(sizes.values())
        self.complaint: str | None = None


class Archive:
    """The logs of one state, in `directory`; made when the first log comes."""

    def __init__(self, directory: str, inbox: queue.SimpleQueue[Any]) -> None:
        self.directory = directory
        self._inbox = inbox
        self._open: dict[int, _Collecting] = {}
        self._last = 0
        self._packing: set[str] = set()

    def begin(self, agent: str, run: str) -> tuple[int, dict[str, int]]:
        """Get ready to take the log of `run`: the number of the request, and the offsets to go on from."""
        part = self._part(run)
        make_private_directory(part)
        try:
            _start_anew_after_power_cut(part)
        except OSError as error:
            raise _cannot_write(part, error) from None
        sizes = _files(part)
        self._packing.discard(run)  # it may have been packed after an earlier attempt
        self._last += 1
        self._open[self._last] = _Collecting(agent, run, sizes)
        return self._last, {name.split(".", 1)[0]: size for name, size in sizes.items()}

    def _part(self, run: str) -> str:
        if not is_run_id(run):
            raise ValueError(f"{run!r} is no run id")
        return os.path.join(self.directory, f"{run}.part")

    def _asked(self, agent: str, message: Mapping[str, Any]) -> _Collecting | None:
        asked = self._open.get(request_of(message))
        return asked if asked and asked.agent == agent and asked.run == message.get("run") else None

    def piece(self, agent: str, message: Mapping[str, Any], blob: bytes) -> bool:
        """Append one piece. False if it belongs to no request of the archive."""
        asked = self._asked(agent, message)
        if asked is None:
            return False
        name = file_name(message)
        offset = message.get("offset")
        if name is None or not isinstance(offset, int) or offset < 0:
            asked.complaint = "the agent sent a piece of a log that makes no sense"
            return True
        if name not in asked.sizes and len(asked.sizes) >= RUN_FILES:
            asked.complaint = f"there are more than {RUN_FILES} files"
            return True
        have = asked.sizes.get(name, 0)
        if offset > have:
            asked.complaint = f"bytes {have} to {offset} of {name} were never sent"
        elif asked.total + len(blob) > RUN_BYTES:
            asked.complaint = f"the logs are larger than {RUN_BYTES // 2**20} Mi"
        elif offset + len(blob) > have:
            self._append(asked, name, blob[have - offset :])
        return True

    def _append(self, asked: _Collecting, name: str, data: bytes) -> None:
        path = os.path.join(self._part(asked.run), name)
        try:
            if name not in asked.sizes:
                make_private_file(path)
            with open(path, "ab") as file:
                file.write(data)
        except OSError as error:
            raise _cannot_write(path, error) from None
        asked.sizes[name] = asked.sizes.get(name, 0) + len(data)
        asked.total += len(data)

    def followed(self, agent: str, message: Mapping[str, Any]) -> bool:
        """All of it was sent: pack it. False if it belongs to no request of the archive."""
        asked = self._asked(agent, message)
        if asked is None:
            return False
        del self._open[request_of(message)]
        complaint = asked.complaint or _missing(asked.sizes, message.get("files"))
        self._pack(asked.run, "partial" if complaint else "complete", complaint)
        return True

    def failed(self, agent: str, message: Mapping[str, Any]) -> bool:
        """The agent does not have it: what was collected so far is all there is."""
        asked = self._open.get(request_of(message))
        if asked is None or asked.agent != agent:
            return False
        del self._open[request_of(message)]
        self.settle(asked.run, plain(str(message.get("message")))[:500])
        return True

    def settle(self, run: str, why: str) -> None:
        """Nothing more will come of this log. Twice does no harm."""
        if run in self._packing:
            return
        if (found := archived(self.directory, run)) is not None:
            self._packing.add(run)
            shutil.rmtree(self._part(run), ignore_errors=True)
            self._inbox.put(found)
        elif _files(self._part(run)):
            self._pack(run, "partial", why)
        else:
            self._packing.add(run)
            shutil.rmtree(self._part(run), ignore_errors=True)
            self._inbox.put(Packed(run, "gone", why))

    def forget(self, agent: str) -> None:
        """The connection to an agent has ended: its logs are asked for again on the next."""
        self._open = {number: asked for number, asked in self._open.items() if asked.agent != agent}

    def _pack(self, run: str, log: str, why: str | None) -> None:
        if run not in self._packing:
            self._packing.add(run)
            args = (self._part(run), Packed(run, log, why))
            threading.Thread(target=self._pack_and_tell, args=args, name="xene-pack", daemon=True).start()

    def _pack_and_tell(self, part: str, packed: Packed) -> None:
        try:
            with _packing:
                pack(part, packed.log, packed.message or "")
        except OSError as error:
            packed = packed._replace(error=_cannot_write(part, error).message)
        self._inbox.put(packed)


def request_of(message: Mapping[str, Any]) -> int:
    """The number of the request that a message of an agent answers, 0 where it names none."""
    number = message.get("id")
    return number if isinstance(number, int) else 0


def zip_path(directory: str, run: str) -> str:
    """Where the archived logs of `run` are."""
    return os.path.join(directory, f"{run}.zip")


def part_path(directory: str, run: str) -> str:
    """Where logs of `run` are that are still being collected."""
    return os.path.join(directory, f"{run}.part")


def archived(directory: str, run: str) -> Packed | None:
    """What was said of a log when it was packed, if it was: a state restored from a copy may not know."""
    import zipfile

    try:
        with zipfile.ZipFile(zip_path(directory, run)) as archive:
            log, _, why = archive.comment.decode("utf-8", "replace").partition(" ")
    except (OSError, zipfile.BadZipFile):
        return None
    return Packed(run, log, why or None) if log in ("complete", "partial") else None


def pack(part: str, log: str = "complete", why: str = "") -> None:
    """Make `RUN.zip` of `RUN.part/`: a temporary name, fsync, rename; then the parts go. Twice does no harm.

    A deflated entry can only be read from its beginning: who wants the last lines of a gigabyte finds them in an
    entry of their own.

    Its comment says how complete it is, so that this does not stand in the state alone.
    """
    from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

    whole = part.removesuffix(".part") + ".zip"
    if not os.path.isdir(part) and os.path.exists(whole):
        return
    temporary = (
        f"{whole}.tmp"  # always the same: only the holder of the lock packs, and overwrites what was left
    )
    make_private_file(temporary)
    try:
        with open(temporary, "wb") as file:
            with ZipFile(file, "w", ZIP_DEFLATED, allowZip64=True) as archive:
                archive.comment = f"{log} {why}".encode()
                for name in sorted(_files(part), key=lambda name: int(name.split(".", 1)[0])):
                    info = ZipInfo(name)
                    info.compress_type, info.external_attr = ZIP_DEFLATED, 0o600 << 16
                    with open(os.path.join(part, name), "rb") as source:
                        with archive.open(info, "w") as target:
                            shutil.copyfileobj(source, target, 1024 * 1024)
                        if source.tell() > LARGE:
                            source.seek(-END, os.SEEK_END)
                            archive.writestr(_as(info, ENDS + name), source.read())
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, whole)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_directory(os.path.dirname(whole))
    shutil.rmtree(part, ignore_errors=True)


def _as(info: ZipInfo, name: str) -> ZipInfo:
    """Another entry like `info`."""
    from zipfile import ZipInfo

    found = ZipInfo(name)
    found.compress_type, found.external_attr = info.compress_type, info.external_attr
    return found


def _files(part: str) -> dict[str, int]:
    """The log files in a directory, with their sizes."""
    try:
        with os.scandir(part) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.name.endswith(".log")}
    except FileNotFoundError:
        return {}


def file_name(message: Mapping[str, Any]) -> str | None:
    """`SEQ.TASK.STEP.ATTEMPT.log`, if the agent's words can be part of a path; TASK made safe."""
    seq, attempt, task, step = (message.get(key) for key in ("seq", "attempt", "task", "step"))
    if not (isinstance(task, str) and is_task_name(task) and isinstance(step, str) and is_name(step)):
        return None
    if not (isinstance(seq, int) and isinstance(attempt, int) and 0 < seq < 2**31 and 0 < attempt < 2**31):
        return None
    name = f"{seq}.{file_safe(task)}.{step}.{attempt}.log"
    return name if _is_text(name) and len(name.encode()) <= NAME_MOST else None


def _is_text(name: str) -> bool:
    """Whether it has no lone surrogates: they are no names of files."""
    return not any("\ud800" <= char <= "\udfff" for char in name)


def _missing(sizes: Mapping[str, int], files: Any) -> str | None:
    """What the agent says there is, and has not come."""
    for entry in files if isinstance(files, list) else []:
        name = file_name(entry) if isinstance(entry, dict) else None
        size = entry.get("size") if isinstance(entry, dict) else None
        if name and isinstance(size, int) and sizes.get(name, 0) != size:
            return f"{sizes.get(name, 0)} of {size} bytes of {name} came"
    return None


def _start_anew_after_power_cut(part: str) -> None:
    """Parts are not fsynced piece by piece: those of another boot may hold anything."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = file.read().strip()
    mark = os.path.join(part, "boot")
    try:
        with open(mark, encoding="ascii") as file:
            if file.read().strip() == boot:
                return
    except FileNotFoundError:
        pass
    for name in _files(part):
        os.unlink(os.path.join(part, name))
    make_private_file(mark)
    with open(mark, "w", encoding="ascii") as file:
        file.write(boot)


def _cannot_write(path: str, error: OSError) -> Storage:
    return Storage(
        f"{path} cannot be written: {error.strerror}",
        hint="free some space: the logs are still on the agent, the next pass fetches them",
    )
