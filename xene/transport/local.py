"""The agent on the control host itself: the very same file that hosts get, through a socket pair.

Called by `control` and by `xene run FILE`. `start` is apart from `open_channel`, so that a command can start the
agent first and import the rest of Xene while it comes up; for the same reason this module imports next to
nothing (`subprocess` alone costs 10 ms).
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from _thread import allocate_lock

from xene.errors import NotTrusted, Unreachable, XeneError
from xene.transport.base import (
    COMPLAINT_BYTES,
    MARKER_SECONDS,
    NOISE_BYTES,
    Channel,
    Target,
    closed,
    from_complaint,
)
from xene.transport.bundle import Bundle, write_whole

LEAVE_SECONDS = 2.0  # what `attach` gets to pass on what it has read, once its stdin has ended


def open_channel(target: Target, bundle: Bundle) -> Channel:
    """Start `attach` here and wait for its marker. Raises Unreachable."""
    return start(target, bundle).ready()


def start(target: Target, bundle: Bundle, *, tethered: bool = False) -> LocalChannel:
    """Start `attach` here; `ready` waits for it. Raises Unreachable where it cannot even be started.

    A tethered agent ends, with all that it runs, when this channel does.
    """
    home = os.path.expanduser(target.home)
    python = _python(target)
    argv = [python, "-I", "-S", _code(home, bundle, target.name), "attach"]
    argv += ["--home", home, "--state", target.state, "--agent", target.name, "--python", python]
    argv += ["--tether", "yes"] if tethered else []
    return LocalChannel(target.name, argv)


def _python(target: Target) -> str:
    if target.python == "python3" and sys.executable:
        return sys.executable
    import shutil

    found = shutil.which(os.path.expanduser(target.python))
    if found is None:
        raise Unreachable(
            f"agent {target.name}: there is no program {target.python!r} here",
            hint="point `spec.python` of the agent at Python 3.9 or newer",
            code="PythonMissing",
        )
    return os.path.abspath(found)


def _code(home: str, bundle: Bundle, name: str) -> str:
    """What to start: the unpacked code where it is there already, else the zip, which unpacks itself."""
    unpacked = os.path.join(home, "agent", bundle.sha, "__main__.py")
    for path in (home, os.path.join(home, "agent"), os.path.dirname(unpacked), unpacked):
        _refuse_foreign(path, name)
    if os.path.isfile(unpacked):
        return unpacked
    archive = os.path.join(home, "agent", f"{bundle.sha}.pyz")
    try:
        if not _whole(archive, bundle):
            _make_private(home)
            _make_private(os.path.join(home, "agent"))
            write_whole(archive, bundle.data())
    except OSError as error:
        raise Unreachable(
            f"agent {name}: cannot write to its home {home}: {error.strerror or error}",
            hint="make `spec.home` of the agent a directory on a local disk that you can write to",
            code="HomeUnusable",
        ) from None
    return archive


def _whole(archive: str, bundle: Bundle) -> bool:
    try:
        with open(archive, "rb") as file:
            return file.read() == bundle.data()
    except FileNotFoundError:
        return False


def _refuse_foreign(path: str, name: str) -> None:
    """What stands at `path` is about to be run, or holds what is: nobody else may have put it there."""
    try:
        found = os.lstat(path)
    except OSError:
        return  # it is not there yet; or making it tells what is wrong
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise NotTrusted(
            f"agent {name}: {path} is another user's, or others can write to it",
            hint="remove it, or make it yours alone (chmod 700), or name another directory as `spec.home`",
            code="HomeUnusable",
        )


def _make_private(path: str) -> None:
    """A directory of mode 0700, and what is missing above it likewise; one that stands keeps its mode."""
    if not os.path.isdir(path):
        if os.path.dirname(path) != path:
            _make_private(os.path.dirname(path))
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:  # someone else made it just now
            pass


class LocalChannel:
    """One `attach` process, in a session of its own (no Ctrl-C reaches it), at the end of a socket pair.

    `close` only shuts the socket down, which wakes whoever waits; the descriptors go with the last reference,
    so that no thread ever reads from a number that has become another file.
    """

    def __init__(self, name: str, argv: list[str]) -> None:
        self._name = name
        self._heard = b""
        self._complaint = b""
        self._closing = allocate_lock()  # taken once, by the first who closes
        self._socket, theirs = socket.socketpair()
        self._stderr, complaints = os.pipe()
        os.set_blocking(self._stderr, False)
        os.set_blocking(complaints, False)  # whatever it has to say, it shall not wait for us to read it
        self._pid = 0
        try:
            self._pid = _spawn(argv, (theirs.fileno(), theirs.fileno(), complaints))
        except OSError as error:
            raise Unreachable(
                f"agent {name}: cannot start {argv[0]}: {error.strerror}", code="PythonMissing"
            ) from None
        finally:
            theirs.close()
            os.close(complaints)

    def __del__(self) -> None:
        if hasattr(self, "_pid"):  # else there was not even a descriptor left to make a pair of
            self.close()
            self._socket.close()
            os.close(self._stderr)

    def ready(self, seconds: float = MARKER_SECONDS) -> LocalChannel:
        """Wait for the marker; closes the channel where it does not come. Raises Unreachable, NotTrusted."""
        from xene.wire.frames import MARKER

        deadline = time.monotonic() + seconds
        while MARKER not in self._heard:
            data = self._recv_until(deadline)
            if data is None or len(self._heard) > NOISE_BYTES:
                raise self._failed("ConnectTimeout", f"did not come up within {seconds:g} s")
            if not data:
                raise self._failed("AgentFailed", "ended as soon as it was started")
            self._heard += data
        self._heard = self._heard.partition(MARKER)[2]
        self._socket.settimeout(None)
        return self

    def _recv_until(self, deadline: float) -> bytes | None:
        rest = deadline - time.monotonic()
        if rest <= 0:
            return None
        self._socket.settimeout(rest)
        try:
            return self._socket.recv(65536)
        except TimeoutError:
            return None
        except OSError:
            return b""

    def _failed(self, reason: str, what: str) -> XeneError:
        self.close()
        complaint = self.complaint()
        last = complaint.strip().rpartition("\n")[2]
        error = Unreachable(f"agent {self._name} {what}" + (f": {last}" if last else ""), code=reason)
        return from_complaint(self._name, complaint, error)

    @property
    def holds_back(self) -> bool:
        """Whether something was received already that `recv` has not given yet."""
        return bool(self._heard)

    def fileno(self) -> int:
        """What is readable when more has come."""
        return self._socket.fileno()

    def recv(self, size: int) -> bytes:
        if self._heard:
            data, self._heard = self._heard[:size], self._heard[size:]
            return data
        try:
            return self._socket.recv(size)
        except OSError:
            raise closed(self._name) from None

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError:
            raise closed(self._name) from None

    def complaint(self) -> str:
        while True:
            try:
                data = os.read(self._stderr, 65536)
            except BlockingIOError:
                data = b""
            if not data:
                return self._complaint.decode("utf-8", "replace")
            self._complaint = (self._complaint + data)[-COMPLAINT_BYTES:]

    def close(self) -> None:
        if not self._closing.acquire(blocking=False):
            return
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:  # it has ended before us
            pass
        if self._pid:
            self._bury()
        try:
            self._socket.shutdown(socket.SHUT_RD)
        except OSError:
            pass

    def _bury(self) -> None:
        """Give `attach` the time to pass on what it has read, then make sure that it is gone."""
        poll = select.poll()
        poll.register(self._socket, 0)  # only its end
        poll.poll(LEAVE_SECONDS * 1000)
        try:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        except (ProcessLookupError, ChildProcessError):  # someone who waits for any child has had it
            pass


def _spawn(argv: list[str], fds: tuple[int, int, int]) -> int:
    """Start a process in a new session with these three descriptors and no other. Raises OSError."""
    actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(fds)]
    return os.posix_spawn(argv[0], argv, os.environ, file_actions=actions, setsid=True, setsigmask=())
