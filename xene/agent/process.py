"""How a step's process comes to be, is found again, and is proved to be gone.

A step is a tree of its own: a new session, a few lines of `sh` around the command (`WRAPPER`), and `XENE_STEP_ID`
in its environment. The wrapper claims the step by making `BASE.step` exclusively, so that a step is started once
even if two daemons tried. It writes its line of /proc there (pid and start time), and at the end the exit code,
so that a killed daemon loses nothing.
`start`, `members` and `send` are all that the rest of the agent knows of processes: a container does the same.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Set

# $1 base of the file, $2 umask, $3 directory; then the command, its program as a path with a slash in it, so
# that it is never one of the shell's own. `trap :` rather than an ignored signal, which would be inherited.
# 125 without a claim of its own: another wrapper has this step, or the claim cannot be written (a full disk).
WRAPPER = """\
trap : TERM INT HUP
mask=$2 dir=$3
IFS= read -r stat < /proc/$$/stat
set -C
{ command exec 9> "$1.step"; } 2> /dev/null || exit 125
set +C
shift 3
echo "$stat" >&9 || exit 125
umask "$mask"
cd "$dir" && unset OLDPWD && "$@" 9>&-
code=$?
echo "$code" >&9
exit "$code"
"""

MASKER = "xene-masker"  # how a process is called that writes a log for a step, and is no part of one
_PR_SET_CHILD_SUBREAPER = 36
_IN_DELETE, _IN_MOVED_FROM = 0x200, 0x40
_RESET = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)


class Launch(NamedTuple):
    """One process to start. `base` begins the names of its files; `log` takes what it prints.

    `output` is a descriptor that takes it instead; whoever starts the process closes it.
    """

    base: str
    log: str
    directory: str
    argv: Sequence[str]
    env: Mapping[str, str]
    output: Optional[int] = None


class Process(NamedTuple):
    """A process that cannot be mistaken for a later one with the same pid. `start` is in clock ticks."""

    pid: int
    start: int


class Moment(NamedTuple):
    """Now, as processes are dated: a reading of the boot clock in ticks, and the newest pid."""

    tick: int
    newest: int


class Seen(NamedTuple):
    """One line of /proc."""

    process: Process
    parent: int
    session: int
    state: str


def become_subreaper() -> None:
    """Orphans of steps become children of this process rather than of init."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def watch_for_removal(directory: str) -> Optional[int]:
    """A descriptor that becomes readable when something in `directory` is removed or moved out of it (inotify).

    None where the kernel gives none: then a wiped home is noticed at the next thing that happens.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    if descriptor < 0:
        return None
    if libc.inotify_add_watch(descriptor, os.fsencode(directory), _IN_DELETE | _IN_MOVED_FROM) < 0:
        os.close(descriptor)
        return None
    return int(descriptor)


def start(launch: Launch, wrapper: str, umask: int) -> int:
    """Start it and return the pid of its wrapper. Raises OSError."""
    argv = ["sh", wrapper, launch.base, f"{umask:04o}", launch.directory, *launch.argv]
    to_log = (os.POSIX_SPAWN_OPEN, 1, launch.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    out = to_log if launch.output is None else (os.POSIX_SPAWN_DUP2, launch.output, 1)
    return os.posix_spawn(
        "/bin/sh",
        argv,
        launch.env,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            out,
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=_RESET,
    )


def spawn(argv: List[str], log: str, env: Mapping[str, str]) -> int:
    """Start a helper of the daemon, what it prints into a new `log`; its pid. Raises OSError."""
    return os.posix_spawn(
        argv[0],
        argv,
        env,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=_RESET,
    )


def claim(base: str) -> Optional[Process]:
    """The wrapper that has claimed the step; None where none has, or has not yet said who it is."""
    lines = _step_file(base)
    seen = _parse_stat(lines[0]) if len(lines) > 1 else None
    return seen.process if seen else None


def exit_code(base: str) -> Optional[int]:
    """What the wrapper wrote when the command had ended; None where it has not, or not whole."""
    lines = _step_file(base)
    return int(lines[1]) if len(lines) > 2 and lines[1].isdigit() else None


def exit_time(base: str) -> float:
    """When the exit code was written, in seconds since 1970."""
    return os.stat(base + ".step").st_mtime


def _step_file(base: str) -> List[bytes]:
    """Its lines; the last one, which no newline ends, is empty or torn."""
    try:
        with open(base + ".step", "rb") as file:
            return file.read().split(b"\n")
    except FileNotFoundError:
        return []


def alive(process: Process) -> bool:
    """Whether that very process runs. A zombie has ended."""
    seen = look(process.pid)
    return seen is not None and seen.process == process and seen.state not in "ZX"


def moment() -> Moment:
    """The present moment. The newest pid tells apart what starts in one tick, which is long (10 ms)."""
    tick = int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))
    try:
        with open("/proc/loadavg", "rb") as file:
            return Moment(tick, int(file.read().split()[-1]))
    except (OSError, ValueError, IndexError):
        return Moment(tick, 0)


def began_before(process: Process, then: Moment) -> bool:
    """Whether it had started by that moment."""
    return process.start < then.tick or (process.start == then.tick and process.pid <= then.newest)


def look(pid: int) -> Optional[Seen]:
    """What /proc says of a pid."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return _parse_stat(file.read())
    except OSError:  # gone, or hidden from this user
        return None


def parent(process: Process) -> int:
    """The pid of its parent; 0 where it is gone, or its parent is out of sight."""
    seen = look(process.pid)
    return seen.parent if seen is not None and seen.process == process else 0


def is_copy(process: Process) -> bool:
    """Whether it is still a copy of the shell that forked it, and not yet the program that it is to become."""
    above = parent(process)
    return above > 0 and _command_line(process.pid) == _command_line(above) != b""


def _command_line(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:  # gone, or another user's
        return b""


def _parse_stat(text: bytes) -> Optional[Seen]:
    head, _, tail = text.rpartition(b")")
    fields = tail.split()
    if len(fields) < 20:
        return None
    process = Process(int(head.split(b" ", 1)[0]), int(fields[19]))
    return Seen(process, int(fields[1]), int(fields[3]), fields[0].decode("ascii", "replace"))


def everything() -> Dict[int, Seen]:
    """All processes that have not ended."""
    found: Dict[int, Seen] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            seen = look(int(name))
            if seen is not None and seen.state not in "ZX":
                found[seen.process.pid] = seen
    return found


def members(mark: str, root: Optional[Process], place: str = "") -> Set[Process]:
    """Every living process of a step or run: below `root`, in its session, or with `mark` in its environment.

    `mark` is `NAME=VALUE`. The sum of the three, and what descends from any of them. With `place`, also orphans
    that have come to this daemon, bear no mark at all, and stand or hold a file below that directory.
    """
    world = everything()
    world.pop(os.getpid(), None)  # a step may have started this very daemon: it is not a part of the step
    needle = b"\0" + mark.encode() + b"\0"
    found = {pid for pid in world if needle in _environment(pid)}
    if place:
        found |= {pid for pid, seen in world.items() if seen.parent == os.getpid() and _stray(pid, place)}
    if root is not None:
        seen = world.get(root.pid)
        if seen is None or seen.process == root:  # else the pid belongs to somebody else by now
            found |= {pid for pid, other in world.items() if other.session == root.pid or pid == root.pid}
    children: Dict[int, List[int]] = {}
    for pid, seen in world.items():
        children.setdefault(seen.parent, []).append(pid)
    todo = list(found)
    while todo:
        for child in children.get(todo.pop(), ()):
            if child not in found:
                found.add(child)
                todo.append(child)
    return {world[pid].process for pid in found}


def _stray(pid: int, place: str) -> bool:
    """Whether an orphan has cleared its environment, but not left `place`."""
    if b"\0XENE_STEP_ID=" in _environment(pid) or is_masker(pid):
        return False
    try:
        links = ["cwd", *(f"fd/{name}" for name in os.listdir(f"/proc/{pid}/fd"))]
    except OSError:  # it has just ended, or is another user's
        return False
    return any(_below(f"/proc/{pid}/{link}", place) for link in links)


def is_masker(pid: int) -> bool:
    """Whether it only writes a log for a step, and ends when that does."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().rstrip("\n") == MASKER
    except OSError:
        return False


def _below(link: str, place: str) -> bool:
    try:
        return (os.readlink(link) + "/").startswith(place.rstrip("/") + "/")
    except OSError:  # closed since it was listed
        return False


def _environment(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return b"\0" + file.read()
    except OSError:  # another user's, or gone
        return b""


def children() -> Set[int]:
    """The pids of this process's children, those that it inherited as subreaper among them."""
    found: Set[int] = set()
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/children", "rb") as file:
                found.update(int(pid) for pid in file.read().split())
        except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
            pid = os.getpid()
            return {seen.process.pid for seen in everything().values() if seen.parent == pid}
    return found


def send(processes: Set[Process], number: int) -> None:
    """Signal each of them, never a later process that got its pid."""
    for process in processes:
        try:
            descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            continue
        except OSError:  # a kernel before 5.3
            if alive(process):
                _kill(process.pid, number)
            continue
        try:
            seen = look(process.pid)
            if seen is not None and seen.process == process:
                signal.pidfd_send_signal(descriptor, number)
        except (ProcessLookupError, PermissionError):  # gone; or became another user's, by sudo or the like
            pass
        finally:
            os.close(descriptor)


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass
