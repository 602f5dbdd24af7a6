"""What nobody needs any more on this host: found, measured, and moved into the trash when control asks for it.

Made by `work`. One `Leftovers` is one `sweep` of one client; the client pumps it beside the logs that it follows,
and it does a little each time, so that no home, however large, holds up the loop. It frees only what is of this
home, code that no process and no home of this user names, and the homes of agents that this state no longer has.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from typing import Any, Callable, Collection, Dict, Iterator, List, Mapping, NamedTuple, Set, Tuple

from xene.agent.home import Home
from xene.agent.ledger import Ledger
from xene.model.ids import is_run_id
from xene.wire import messages

IDLE = 86400.0  # seconds for which what may still be wanted is left alone
KEPT = 30 * 86400.0  # and for which a journal is kept that was set aside, for people
BURST = 2000  # entries of directories that are looked at in one go
ENDED_MOST = 10_000  # ended runs that are told of
SMALL = 64 * 1024  # bytes of a file that may name code
CODE, RUNS, UNHEARD, JOURNALS, INCOMING, HOMES = (
    "agent code of other versions",
    "runs that the agent does not know",
    "runs that control never heard of",
    "journals set aside",
    "artifacts that no run waits for",
    "homes of agents that are gone",
)
_TALK = ("journal", "daemon.log")  # they name code that was there once
_SHA = re.compile(rb"[0-9a-f]{64}")


class Leftover(NamedTuple):
    """Something that may go: which kind it is of, and where it is."""

    kind: str
    path: str


class Leftovers:
    """`request` is the client's message; `take` moves a path into the trash."""

    def __init__(
        self,
        request: Mapping[str, Any],
        home: Home,
        version: str,
        ledger: Ledger,
        unheard: List[str],
        artifacts: List[str],
        take: Callable[[str], None],
    ) -> None:
        self.id = int(request["id"])
        self.finished = False
        self._dry = bool(request["dry"])
        self._take = take
        self._ended = ended_runs(ledger, time.time())
        self._found = find(home, version, ledger, [str(name) for name in request["agents"]], time.time())
        self._found += [Leftover(UNHEARD, home.run(run)) for run in unheard]
        self._found += [Leftover(INCOMING, path) for path in artifacts]
        self._sums: Dict[str, List[int]] = {}
        self._work = self._go()

    def pump(self) -> Iterator[Tuple[Dict[str, Any], bytes]]:
        """A little of the work; the last frame is `swept`."""
        for _ in range(BURST):
            if next(self._work, None) is None:
                self.finished = True
                what: List[Dict[str, Any]] = [
                    {"what": kind, "count": count, "bytes": size}
                    for kind, (count, size) in sorted(self._sums.items())
                ]
                total = sum(size for _, size in self._sums.values())
                yield messages.swept(self.id, total, what, self._ended), b""
                return

    def _go(self) -> Iterator[bool]:
        """One step for each entry of a directory."""
        for leftover in self._found:
            size = 0
            for part in sizes(leftover.path):
                size += part
                yield True
            if not self._dry:
                self._take(leftover.path)
            if self._dry or not os.path.lexists(leftover.path):
                total = self._sums.setdefault(leftover.kind, [0, 0])
                total[0] += 1
                total[1] += size


def sizes(path: str) -> Iterator[int]:
    """The bytes on disk of `path` and of everything below it, one entry after the other; links are not followed."""
    stack = [path]
    while stack:
        here = stack.pop()
        try:
            found = os.lstat(here)
            yield found.st_blocks * 512
            if os.path.isdir(here) and not os.path.islink(here):
                stack += [os.path.join(here, name) for name in os.listdir(here)]
        except OSError:
            yield 0  # it went meanwhile, or is closed to us: then it is not counted


def ended_runs(ledger: Ledger, now: float) -> List[str]:
    """Runs that ended a day ago or earlier and are still here: control knows which of them it never heard of."""
    old = [
        name
        for name, run in ledger.runs.items()
        if run.ended and run.finished_at is not None and now - run.finished_at > IDLE
    ]
    return old[:ENDED_MOST]


def find(home: Home, version: str, ledger: Ledger, agents: Collection[str], now: float) -> List[Leftover]:
    """Everything that may go. `agents` are those that the state has; `now` in seconds since 1970."""
    found = [Leftover(CODE, path) for path in old_code(home, version, now)]
    for name in _names(home.runs):
        if is_run_id(name) and name not in ledger.runs:
            found.append(Leftover(RUNS, home.run(name)))
    for name in _names(home.path):
        path = os.path.join(home.path, name)
        if name.startswith("journal.") and _age(path, now) > KEPT:
            found.append(Leftover(JOURNALS, path))
    return found + [Leftover(HOMES, path) for path in old_homes(home, agents, now)]


def old_code(home: Home, version: str, now: float) -> List[str]:
    """Code that is not this daemon's, that nobody runs or names, and what uploads left half done."""
    used = named_code(home) | {version}
    paths = []
    for name in _names(home.code):
        sha, path = name[:64], os.path.join(home.code, name)
        is_code = _SHA.fullmatch(sha.encode()) is not None
        half = name.endswith(".tmp") or name.startswith(".unpack-")
        if (half or (is_code and sha not in used)) and _age(path, now) > IDLE:
            paths.append(path)
    return paths


def named_code(home: Home) -> Set[str]:
    """The digests that processes of this user, and small files in the homes beside this one, name."""
    texts = [_read(f"/proc/{name}/cmdline") for name in _names("/proc") if name.isdigit()]
    root = os.path.dirname(home.code)
    for state in _names(root):
        for agent in _names(os.path.join(root, state)):
            beside = os.path.join(root, state, agent)
            texts += [_read(os.path.join(beside, name)) for name in _names(beside) if name not in _TALK]
    units = os.path.expanduser("~/.config/systemd/user")
    texts += [_read(os.path.join(units, name)) for name in _names(units)]
    return {sha.decode() for text in texts for sha in _SHA.findall(text)}


def old_homes(home: Home, agents: Collection[str], now: float) -> List[str]:
    """Homes of this state whose agents it no longer has, which no daemon holds and no process uses."""
    state = os.path.dirname(home.path)
    paths = []
    for name in _names(state):
        path = os.path.join(state, name)
        mine = path == home.path or name in agents or os.path.islink(path) or not os.path.isdir(path)
        if not mine and _age(os.path.join(path, "journal"), now) > IDLE and not _is_held(path):
            paths.append(path)
    return paths


def _is_held(path: str) -> bool:
    """Whether a daemon has the lock of a home, or a process of a run still lives in it."""
    try:
        descriptor = os.open(os.path.join(path, "daemon.lock"), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return True  # no home that we can judge
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    mark = os.fsencode(path) + b"/"
    return any(mark in _read(f"/proc/{name}/environ") for name in _names("/proc") if name.isdigit())


def _names(path: str) -> List[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def _age(path: str, now: float) -> float:
    """Seconds since it was written; 0 where that is not known."""
    try:
        return now - os.lstat(path).st_mtime
    except OSError:
        return 0.0


def _read(path: str) -> bytes:
    """The beginning of a file; nothing where it is none, or not ours to read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, SMALL)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
