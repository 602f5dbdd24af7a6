"""`attach`: see that a daemon runs, print the marker, then pass bytes between stdin/stdout and its socket.

It imports next to nothing: it is what every connection waits for.
"""

from __future__ import annotations

import os
import select
import socket
import stat
import sys
import time
from typing import Dict, List, Optional

from xene.agent.home import Home, prepare
from xene.errors import NotTrusted, Unreachable

SOCKET = (
    "daemon.sock"  # bound and reached from within the home: a path may pass the 108 bytes of a socket's name
)
TETHER = "--tether"  # the option that binds a daemon to its one connection
FULL = "DiskFull: "  # how a daemon begins its excuse where there is no room for it
START_SECONDS = 15.0
_PIECE = 256 * 1024
_MARKER = b"\nXENE-AGENT-1\n"  # wire.frames.MARKER; importing frames would cost a json


def attach(home: Home, daemon_argv: List[str]) -> int:
    """Run until either side ends. Raises Unreachable where no daemon comes up."""
    umask = os.umask(0o077)
    prepare(home)
    os.chdir(home.path)
    sock = _connect() or _started(home, [*daemon_argv, "--umask", f"{umask:04o}"])
    _write_all(1, _MARKER)
    _splice(sock)
    return 0


def start(home: Home, daemon_argv: List[str]) -> int:
    """See that a daemon runs. Raises Unreachable where none comes up."""
    umask = os.umask(0o077)
    prepare(home)
    os.chdir(home.path)
    (_connect() or _started(home, [*daemon_argv, "--umask", f"{umask:04o}"])).close()
    return 0


def _connect() -> Optional[socket.socket]:
    try:
        found = os.lstat(SOCKET)
    except FileNotFoundError:
        return None
    if found.st_uid != os.geteuid() or not stat.S_ISSOCK(found.st_mode):
        raise NotTrusted(
            f"{os.path.join(os.getcwd(), SOCKET)} is not a socket of this user",
            hint="somebody else can write to this home: name another directory as the agent's spec.home",
            code="HomeUnusable",
        )
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(SOCKET)
    except (ConnectionRefusedError, FileNotFoundError):  # its daemon is dead, or just about to listen
        sock.close()
        return None
    return sock


def _started(home: Home, daemon_argv: List[str]) -> socket.socket:
    """Start a daemon, or find the one that somebody else is starting. The kernel's flock lets one of them win."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        said = _start_daemon(home, daemon_argv)
        if said not in (b"ready", b"busy", b""):  # its socket may still listen while it goes
            raise _failed(home, said.decode("utf-8", "replace"))
        while time.monotonic() < deadline:
            sock = _connect()
            if sock is not None:
                return sock
            if said != b"busy":
                break
            time.sleep(0.01)
            if not _locked(home):
                break
        else:
            break
        if said not in (b"ready", b"busy"):
            raise _failed(home, _last_words(home))
    raise Unreachable("the agent's daemon does not answer", hint=f"see {home.log}", code="DaemonFailed")


def _failed(home: Home, excuse: str) -> Unreachable:
    code = "DiskFull" if excuse.startswith(FULL) else "DaemonFailed"
    text = excuse[len(FULL) :] if excuse.startswith(FULL) else excuse
    return Unreachable(f"the agent's daemon does not start: {text}", hint=f"see {home.log}", code=code)


def _locked(home: Home) -> bool:
    import fcntl

    descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _start_daemon(home: Home, daemon_argv: List[str]) -> bytes:
    """Start it detached, and wait for its word: ready, busy, or what is wrong."""
    ours, theirs = os.pipe()
    os.set_inheritable(theirs, True)
    log = os.open(home.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
    argv = [*daemon_argv, "--ready", str(theirs)]
    os.posix_spawn(argv[0], argv, _unmarked(), file_actions=actions, setsid=True, setsigmask=())
    for descriptor in (theirs, log, null):
        os.close(descriptor)
    said = b""
    while True:
        readable, _, _ = select.select([ours], [], [], START_SECONDS)
        piece = os.read(ours, 4096) if readable else b""
        if not piece:
            os.close(ours)
            return said
        said += piece


def _unmarked() -> Dict[str, str]:
    """The environment without what marks a step: a daemon that a step happened to start is no part of it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("XENE_")}


def _last_words(home: Home) -> str:
    with open(home.log, "rb") as file:
        file.seek(max(0, os.path.getsize(home.log) - 2000))
        return file.read().decode("utf-8", "replace").strip().rpartition("\n")[2]


def _splice(sock: socket.socket) -> None:
    """Pass bytes both ways until one side ends."""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(sock, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == 0:
                data = os.read(0, _PIECE)
                if not data:
                    return
                sock.sendall(data)
            else:
                data = sock.recv(_PIECE)
                if not data:
                    return
                _write_all(1, data)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def stop(home: Home) -> int:
    """End the daemon of this home; steps under way go on. 0 when there is none any more, 1 when it stays."""
    import signal

    from xene.agent.process import Process, alive, send

    try:
        with open(home.pid, encoding="ascii") as file:
            pid, start = (int(word) for word in file.read().split()[:2])
    except (FileNotFoundError, ValueError):
        return 0
    process = Process(pid, start)
    deadline = time.monotonic() + START_SECONDS
    send({process}, signal.SIGTERM)
    while alive(process):
        if time.monotonic() > deadline:
            print(f"xene-agent: daemon {pid} does not end", file=sys.stderr)
            return 1
        time.sleep(0.005)
    return 0
