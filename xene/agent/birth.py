"""A daemon comes to life: one per home by flock, its socket bound, its pid written, its starter told.

Newer code takes over by `exec` in the same process: the lock, the listening socket and the connection that brought
it are handed on by number, and the steps under way stay children of the same pid.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import sys
from typing import List, Mapping, Set

from xene.agent import process
from xene.agent.attach import FULL, SOCKET, TETHER
from xene.agent.complaints import complain, complain_of_bug
from xene.agent.daemon import COMPLAINTS_KEPT, Daemon
from xene.agent.greeting import Successor
from xene.agent.home import Home, write_whole
from xene.agent.succession import clear_old_code
from xene.agent.vault import Vault
from xene.errors import XeneError

_HANDED = ("--ready", "--lock", "--listener", "--client", "--vault")  # options that name descriptors


def run_daemon(home: Home, version: str, options: Mapping[str, str]) -> int:
    """Serve until told to leave.

    `--umask` is the one that steps get; the daemon's own is 077. `--ready` is the descriptor on which the starter
    waits for one word; after a take-over there is none, but `--lock`, `--listener`, `--client` and `--hello`.
    """
    umask = int(options["--umask"], 8)
    _drop_descriptors({int(options[name]) for name in _HANDED if name in options})
    os.umask(0o077)
    os.chdir(home.path)
    ready = int(options.get("--ready", -1))
    lock = int(options["--lock"]) if "--lock" in options else _take_lock(home)
    if lock < 0:
        return _say(ready, "busy")
    _trim(home.log)
    try:
        listener = _inherit(options["--listener"]) if "--listener" in options else _listen()
        vault = Vault.receive(int(options["--vault"])) if "--vault" in options else Vault()
        daemon = Daemon(home, version, listener, umask, TETHER in options, vault)
        own = process.look(os.getpid())
        start = own.process.start if own else 0
        write_whole(home.pid, f"{os.getpid()} {start} {version}\n".encode("ascii"))
    except (XeneError, OSError) as error:
        complain(f"the daemon cannot start: {error}")
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        _say(ready, FULL * full + (getattr(error, "message", "") or str(error)))
        return int(getattr(error, "exit_code", 74))
    _say(ready, "ready")
    code = _live(daemon, home, version, options)
    if code == 0 and daemon.successor is not None:
        _hand_over(daemon.successor, daemon.vault, lock, listener, options)
    _leave(home, listener)
    return code


def _live(daemon: Daemon, home: Home, version: str, options: Mapping[str, str]) -> int:
    """Serve. A bug that is nobody's in particular ends the daemon: the next attach starts one from the journal.

    Going on with what is in memory could record what never was. It dies once an attach at the most, and the
    attaches of control back off.
    """
    try:
        if "--client" in options:
            daemon.greet(_inherit(options["--client"]), json.loads(options["--hello"]))
        else:
            clear_old_code(home.code, version)
        daemon.serve()
    except Exception:  # noqa: BLE001  written down whole; and its steps go on without it
        complain_of_bug("the daemon met a bug and ends; the next attach recovers its runs")
        return 70
    return 0


def _leave(home: Home, listener: socket.socket) -> None:
    """Remove what says that a daemon is here, unless it is another one's by now."""
    listener.close()
    try:
        with open(home.pid, "rb") as file:
            if int(file.read().split()[0]) != os.getpid():
                return
    except (OSError, ValueError, IndexError):
        return  # a tethered daemon has removed all of it; or the home was wiped
    for path in (os.path.join(home.path, SOCKET), home.pid):
        try:
            os.unlink(path)
        except OSError:
            pass


def _drop_descriptors(keep: Set[int]) -> None:
    """Close what a caller left open by accident: a detached daemon must not hold anybody's pipe."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in keep:
            try:
                os.close(int(name))
            except OSError:  # the one that listdir itself had open
                pass


def _take_lock(home: Home) -> int:
    lock = os.open(home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_ino == os.stat(home.lock).st_ino:
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(lock)  # somebody else has it; or it was removed, with its home, between the two lines
    return -1


def _hand_over(
    successor: Successor, vault: Vault, lock: int, listener: socket.socket, options: Mapping[str, str]
) -> None:
    """Become the newer code. Returns only where that cannot be started; the next attach starts a daemon then."""
    handed = {
        "--umask": options["--umask"],
        "--lock": str(lock),
        "--listener": str(listener.fileno()),
        "--client": str(successor.client.sock.fileno()),
        "--hello": json.dumps(successor.hello),
        "--vault": str(vault.pass_on()),
    }
    argv: List[str] = [sys.executable, "-I", "-S", successor.code, "daemon"]
    for name in ("--home", "--state", "--agent", TETHER):
        if name in options:
            argv += [name, options[name]]
    for name, value in handed.items():
        argv += [name, value]
    for descriptor in (lock, listener.fileno(), successor.client.sock.fileno()):
        os.set_inheritable(descriptor, True)
    try:
        os.execv(sys.executable, argv)
    except OSError as error:
        complain(f"cannot become {successor.code}: {error}")


def _inherit(number: str) -> socket.socket:
    descriptor = int(number)
    os.set_inheritable(descriptor, False)
    inherited = socket.socket(fileno=descriptor)
    inherited.setblocking(False)
    return inherited


def _listen() -> socket.socket:
    """Bound relative to the home; the lock says that whatever is there is a dead daemon's."""
    try:
        os.unlink(SOCKET)
    except FileNotFoundError:
        pass
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(SOCKET)  # 0600 by the umask
    listener.listen(64)
    listener.setblocking(False)
    return listener


def _say(ready: int, word: str) -> int:
    if ready >= 0:
        os.write(ready, word.encode("utf-8", "replace")[:4000])
        os.close(ready)
    return 0


def _trim(log: str) -> None:
    """Keep the complaints of many daemons from growing without end."""
    if os.path.getsize(log) > COMPLAINTS_KEPT:
        os.rename(log, log + ".old")
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)
