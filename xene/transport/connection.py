"""An authenticated SSH connection over any number of hops: TCP, host key, login. It runs nothing on a host.

Called by `ssh`. It imports paramiko, so it is itself imported only when a connection is made.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import subprocess
import time
from contextlib import closing
from dataclasses import replace
from typing import Any, Callable

from xene.errors import Unreachable, XeneError
from xene.transport import hostkeys
from xene.transport.base import Target
from xene.transport.hostkeys import HostKey, Known
from xene.transport.identities import Identities
from xene.transport.lean_paramiko import Socket, Transport, paramiko
from xene.transport.route import Hop
from xene.transport.turns import Turns

BANNER_SECONDS = 10.0  # from the connection to the first word of an SSH server
HANDSHAKE_SECONDS = 30.0  # some four round trips
AUTH_SECONDS = 30.0
AT_ONCE, TURN_SECONDS = 16, 1.0  # handshakes at the same time, and how long one may keep others waiting
UNANSWERED_SECONDS = 15  # sent data that is not acknowledged for so long ends the connection

_turns = Turns(AT_ONCE, TURN_SECONDS)


class Connection:
    """The hops that are open so far, the last of them `transport`. `close` ends them all, last first."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._transports: list[tuple[Transport, Any]] = []
        self._command: subprocess.Popen[bytes] | None = None

    @property
    def transport(self) -> Transport:
        return self._transports[-1][0]

    def close(self) -> None:
        while self._transports:
            transport, sock = self._transports.pop()
            transport.packetizer.complete_handshake()  # ends a timer thread that would outlive a failed handshake
            _shut(sock)
            transport.join(2)
            transport.close()
            sock.close()
        if self._command:
            _kill(self._command)
            self._command = None

    def settle(self) -> None:
        """The connection is set up: from now on it is for throughput."""
        sock = self._transports[0][1]
        if isinstance(sock, Socket):
            sock.eager = False

    def open(self, hops: list[Hop], trusted: list[str]) -> None:
        """Connect and log in, hop by hop. Raises Unreachable, NotTrusted; whoever calls then closes."""
        for number, hop in enumerate(hops):
            last = number == len(hops) - 1
            self.greet(hop, self._known(hop, trusted if last else []), last)
            self._log_in(hop)
        self.transport.stay_alive(hops[-1].alive_seconds, hops[-1].alive_count)

    def host_key(self, hops: list[Hop]) -> HostKey:
        """What key the last hop shows, unchecked; the hops before it are checked. Raises as `open` does."""
        if hops[:-1]:
            self.open(hops[:-1], [])
        known = self._known(hops[-1], [])
        self._handshake(hops[-1], hostkeys.algorithms(replace(known, authorities=())))
        return _plain(self.transport.get_remote_server_key())

    def greet(self, hop: Hop, known: Known, last: bool) -> None:
        """Handshake with one host and make sure that it is the one that it should be."""
        self._handshake(hop, hostkeys.algorithms(known))
        key = self.transport.get_remote_server_key()
        blob = getattr(key, "public_blob", None)
        remedy = "" if last else f"connect once with `ssh {hop.name}`, which records it"
        if hop.pinned:
            remedy = "write that key as `spec.ssh.hostKey` of the Agent, and apply"
        hostkeys.check(self.target.name, known, _plain(key), blob.key_blob if blob else None, remedy=remedy)

    def _known(self, hop: Hop, trusted: list[str]) -> Known:
        return hostkeys.known_about(
            hop.host,
            hop.port,
            hop.alias,
            pinned=hop.pinned,
            trusted=trusted,
            files=hop.known_hosts,
            revoked_file=hop.revoked,
        )

    def _handshake(self, hop: Hop, algorithms: tuple[str, ...]) -> None:
        sock = self._socket(hop)
        try:
            self._await_word(hop, sock)
            transport = Transport(sock)
        except BaseException:
            sock.close()
            raise
        self._transports.append((transport, sock))
        transport.wanted = algorithms
        transport.banner_timeout = BANNER_SECONDS
        transport.handshake_timeout = HANDSHAKE_SECONDS
        transport.auth_timeout = AUTH_SECONDS
        with _turns.one():
            self._negotiate(hop, transport)

    def _await_word(self, hop: Hop, sock: Any) -> None:
        """Wait until the server speaks, as it does first. Through a tunnel the transport waits itself."""
        if isinstance(sock, socket.socket):
            poll = select.poll()
            poll.register(sock, select.POLLIN)
            if not poll.poll(1000 * min(BANNER_SECONDS, hop.seconds)):
                raise self._failed(hop, TimeoutError())

    def _negotiate(self, hop: Hop, transport: paramiko.Transport) -> None:
        since = time.monotonic()
        try:
            transport.start_client(timeout=BANNER_SECONDS + HANDSHAKE_SECONDS)
            transport.get_remote_server_key()  # raises where the time ran out
        except (paramiko.SSHException, EOFError, OSError) as error:
            late = time.monotonic() - since >= BANNER_SECONDS  # which paramiko tells as an end of file
            raise self._failed(hop, TimeoutError() if late else error) from None

    def _socket(self, hop: Hop) -> Any:
        if self._transports:
            return self._tunnel(hop)
        if hop.proxy_command:
            return self._proxied(hop.proxy_command)
        try:
            plain = socket.create_connection((hop.host, hop.port), timeout=hop.seconds)
        except (OSError, UnicodeError) as error:
            raise self._failed(hop, error) from None
        sock = Socket(fileno=plain.detach())
        _tune(sock)
        return sock

    def _tunnel(self, hop: Hop) -> paramiko.Channel:
        try:
            return self.transport.open_channel(
                "direct-tcpip", (hop.host, hop.port), ("127.0.0.1", 0), timeout=hop.seconds
            )
        except paramiko.ChannelException as error:
            raise Unreachable(
                f"agent {self.target.name}: the jump host cannot reach {hop.host}:{hop.port}: {error.text}",
                hint="see that it can, and that its sshd allows TCP forwarding",
                code="JumpRefused",
            ) from None
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._failed(hop, error) from None

    def _proxied(self, command: str) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            self._command = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        return ours

    def _log_in(self, hop: Hop) -> None:
        identities = Identities(hop)
        with closing(identities.each()) as keys:
            if any(self._accepts(hop, key) for key in keys):
                return
        if identities.locked:
            path = identities.locked[0]
            raise Unreachable(
                f"agent {self.target.name}: the key {path} has a passphrase, and nobody is asked for it",
                hint=f"add it to ssh-agent: ssh-add {path}",
                code="KeyEncrypted",
            )
        raise self._unauthenticated(
            hop, "it refused " + (", ".join(identities.tried) or "us: there is no key to try")
        )

    def _accepts(self, hop: Hop, key: paramiko.PKey) -> bool:
        """Whether this key is enough. Raises Unreachable once the host takes no further one."""
        try:
            return not self.transport.auth_publickey(hop.user, key)
        except paramiko.BadAuthenticationType as error:
            raise self._unauthenticated(hop, f"it takes {', '.join(error.allowed_types)} only") from None
        except (paramiko.SSHException, EOFError, OSError) as error:
            if not self.transport.is_active():
                raise self._unauthenticated(hop, f"it ended the connection: {error}") from None
            return False

    def _unauthenticated(self, hop: Hop, what: str) -> Unreachable:
        return Unreachable(
            f"agent {self.target.name}: cannot log in as {hop}: {what}",
            hint=f"try `ssh {hop.user}@{hop.name}`; put your public key into its ~/.ssh/authorized_keys",
            code="AuthenticationFailed",
        )

    def _failed(self, hop: Hop, error: BaseException) -> XeneError:
        code, what, hint = _diagnosis(error)
        where = f"{hop.host}:{hop.port}"
        return Unreachable(f"agent {self.target.name}: {where} {what}", hint=hint, code=code)


def _diagnosis(error: BaseException) -> tuple[str, str, str]:
    """Reason, words and remedy for what went wrong before the login."""
    cause = error.__context__ if isinstance(error, paramiko.SSHException) and error.__context__ else error
    if isinstance(cause, (socket.gaierror, UnicodeError)):
        return "HostNotFound", "is not a name that can be resolved", "correct `host`, or see to DNS"
    if isinstance(cause, ConnectionRefusedError):
        return (
            "ConnectionRefused",
            "refused the connection",
            "see that sshd runs there and that the port is right",
        )
    if isinstance(cause, TimeoutError):
        return (
            "ConnectTimeout",
            "did not answer in time",
            "see that it is up, and that no firewall is between",
        )
    if isinstance(cause, paramiko.ssh_exception.IncompatiblePeer):
        return "SshIncompatible", f"has no common algorithm: {cause}", "a newer sshd is needed there"
    if isinstance(cause, OSError) and cause.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return "HostUnreachable", "cannot be reached: no route", "see that it is up"
    if isinstance(cause, (EOFError, ConnectionError)) or not str(error):
        return (
            "ConnectionClosed",
            "closed the connection before it was set up",
            "see its sshd's log (MaxStartups?)",
        )
    if "banner" in str(error) or "protocol version" in str(error):
        return "NotSsh", "does not speak SSH", "correct `port`"
    return "ConnectionFailed", f"failed: {error}", ""


def _plain(key: paramiko.PKey) -> HostKey:
    return hostkeys.key_from_blob(key.asbytes())


def _tune(sock: socket.socket) -> None:
    """Small frames leave at once, and a host that has vanished is noticed."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_SECONDS * 1000)


def _shut(sock: Any) -> None:
    """Wake whoever reads from a socket, or from a channel that serves as one."""
    close: Callable[[], object] = (
        sock.close if isinstance(sock, paramiko.Channel) else lambda: sock.shutdown(2)
    )
    try:
        close()
    except (OSError, EOFError, paramiko.SSHException):  # it has ended before us
        pass


def _kill(command: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(command.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    command.wait()
