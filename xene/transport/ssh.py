"""The way to an agent over SSH: one connection, one channel, one command on it.

Called by `control` and by `xene agent trust`. It brings the agent's code to the host where it is missing, on
the very channel on which the agent then speaks (so without SFTP, and where only one session is allowed).
paramiko is imported only when a connection is made.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from xene.errors import Unreachable, XeneError
from xene.transport import bootstrap
from xene.transport.base import (
    COMPLAINT_BYTES,
    MARKER_SECONDS,
    NOISE_BYTES,
    REMEDIES,
    Channel,
    Target,
    closed,
    from_complaint,
)
from xene.transport.bundle import Bundle
from xene.transport.route import Hop, route
from xene.wire.frames import MARKER

if TYPE_CHECKING:
    import paramiko

    from xene.transport.connection import Connection
    from xene.transport.hostkeys import HostKey

SESSION_SECONDS = 10.0  # to open the channel, once logged in
WINDOW_BYTES = 4 * 1024 * 1024
LEAVE_SECONDS = 1.0  # what `attach` gets to pass on what it has read, once we have ended


def open_channel(
    target: Target, bundle: Bundle, trusted: list[str], *, marker_seconds: float = MARKER_SECONDS
) -> Channel:
    """Connect, bring the code if need be, start `attach`, wait for its marker. Raises Unreachable, NotTrusted.

    `trusted` are the host keys (`TYPE BASE64`) that the state holds for this agent.
    """
    from xene.transport.connection import Connection

    way = hops(target)
    connection = Connection(target)
    try:
        connection.open(way, trusted)
        channel = SshChannel(target.name, connection, session(connection, target))
        channel.begin(target, bundle, marker_seconds)
    except BaseException:
        connection.close()
        raise
    return channel


def host_key(target: Target) -> HostKey:
    """The key that the host shows now, unchecked, for `xene agent trust`. Raises Unreachable, NotTrusted."""
    from xene.transport.connection import Connection

    way = hops(target)
    connection = Connection(target)
    try:
        return connection.host_key(way)
    finally:
        connection.close()


def hops(target: Target) -> list[Hop]:
    """The way to a host. Raises Unreachable, NotTrusted."""
    if target.ssh is None:
        raise Unreachable(f"agent {target.name} is not reached over SSH", code="NotSsh")
    return route(target.ssh)


def session(connection: Connection, target: Target) -> paramiko.Channel:
    """One session on a connection that is logged in. Raises Unreachable."""
    import paramiko

    try:
        return connection.transport.open_session(window_size=WINDOW_BYTES, timeout=SESSION_SECONDS)
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise Unreachable(
            f"agent {target.name}: the host opens no session: {error}",
            hint="see sshd's log there (MaxSessions, an account that is locked)",
            code="SessionRefused",
        ) from None


class SshChannel:
    """The stdin and stdout of `attach` on a host."""

    def __init__(self, name: str, connection: Connection, channel: paramiko.Channel) -> None:
        self._name = name
        self._connection = connection
        self._transport = connection.transport
        self._channel = channel
        self._heard = b""
        self._complaint = b""
        self._sending = threading.Lock()
        self._closing = threading.Lock()  # taken once, by the first who closes

    def begin(self, target: Target, bundle: Bundle, seconds: float) -> None:
        """Run the bootstrap and see it through to the marker. `seconds` count from the last thing sent."""
        data = bundle.data()
        line = bootstrap.command(
            python=target.python,
            home=target.home,
            state=target.state,
            agent=target.name,
            sha=bundle.sha,
            size=len(data),
        )
        self._execute(line)
        heard = self._hear_until((MARKER, bootstrap.SEND), seconds)
        if heard == bootstrap.SEND:
            self.send(data)
            self._hear_until((MARKER,), seconds)
        self._channel.settimeout(None)
        self._connection.settle()

    def _execute(self, line: str) -> None:
        import paramiko

        try:
            self._channel.exec_command(line)
        except (paramiko.SSHException, EOFError, OSError):
            raise self._failed("refuses to run a command") from None

    def _hear_until(self, signs: tuple[bytes, ...], seconds: float) -> bytes:
        """Read to the first of `signs`, past whatever a login shell has to say; what follows it is kept."""
        deadline = time.monotonic() + seconds
        while True:
            found = [sign for sign in signs if sign in self._heard]
            if found:
                self._heard = self._heard.partition(found[0])[2]
                return found[0]
            if len(self._heard) > NOISE_BYTES:
                raise self._failed(f"said {NOISE_BYTES // 1024} KiB, and no word of the agent's")
            self._hear_more(deadline)

    def _hear_more(self, deadline: float) -> None:
        self._channel.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            data = self._channel.recv(65536)
        except TimeoutError:
            raise self._failed("did not start the agent in time", "ConnectTimeout") from None
        except OSError:
            data = b""
        if not data:
            raise self._failed("did not start the agent")
        self._heard += data

    def _failed(self, what: str, code: str = "NoisyOrBroken") -> XeneError:
        """Why there is no agent: in its own words, by the shell's exit code, or as it looks from here."""
        self._channel.status_event.wait(1)
        complaint = self.complaint()
        said = (complaint.strip() or self._heard.decode("utf-8", "replace").strip()).rpartition("\n")[2][
            -300:
        ]
        status = self._channel.exit_status if self._channel.status_event.is_set() else -1
        where, hint = f"agent {self._name}: the host", "see that its login shell runs commands: ssh HOST true"
        if _lacks_python(complaint, status):
            what, code = "has no such Python", "PythonMissing"
        elif "nknown option: -I" in complaint:
            what, code = "has a Python older than 3.9 there", "PythonTooOld"
        error = Unreachable(
            f"{where} {what}" + (f"; it said: {said}" if said else ""),
            hint=REMEDIES.get(code, hint),
            code=code,
        )
        return from_complaint(self._name, complaint, error)

    def send(self, data: bytes) -> None:
        with self._sending:
            try:
                self._channel.sendall(data)
            except (OSError, EOFError):
                raise closed(self._name) from None

    def recv(self, size: int) -> bytes:
        if self._heard:
            data, self._heard = self._heard[:size], self._heard[size:]
            return data
        try:
            data = self._channel.recv(size)
        except OSError:
            raise closed(self._name) from None
        if not data:
            self._channel.status_event.wait(
                LEAVE_SECONDS
            )  # its last words on stderr come before its exit code
        return data

    def complaint(self) -> str:
        while self._channel.recv_stderr_ready():
            self._complaint = (self._complaint + self._channel.recv_stderr(65536))[-COMPLAINT_BYTES:]
        if self._transport.is_silent:
            return "it does not answer any more"
        return self._complaint.decode("utf-8", "replace")

    def close(self) -> None:
        if not self._closing.acquire(blocking=False):
            return
        if self._sending.acquire(timeout=LEAVE_SECONDS):  # else a send is stuck, and so would we be
            try:
                self._take_leave()
            finally:
                self._sending.release()
        self.complaint()
        self._connection.close()

    def _take_leave(self) -> None:
        try:
            self._channel.shutdown_write()
        except (OSError, EOFError):  # it has ended before us
            return
        self._channel.status_event.wait(LEAVE_SECONDS)


def _lacks_python(complaint: str, status: int) -> bool:
    text = complaint.lower()
    return status in (126, 127) or "command not found" in text or "no such file" in text
