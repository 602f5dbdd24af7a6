"""paramiko as Xene wants it: quick to import, quiet, with our host key algorithms and prompt acknowledgements.

Used by `connection` and `identities`, which alone import it: it takes 80 ms.
"""

from __future__ import annotations

import logging
import socket
import sys
import weakref

from xene.transport import hostkeys

_UNUSED = (
    "invoke"  # for `Match exec` in paramiko's own reader of ssh_config; it brings YAML and asyncio: 35 ms
)

_known = _UNUSED in sys.modules
if not _known:
    sys.modules[_UNUSED] = None  # type: ignore[assignment]  # paramiko does without what cannot be imported
try:
    import paramiko as paramiko
finally:
    if not _known:
        del sys.modules[_UNUSED]

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # else Python prints its warnings on stderr
logging.getLogger("paramiko").propagate = False


class Transport(paramiko.Transport):
    """paramiko's, offering exactly the host key algorithms that we want, in our order.

    With `stay_alive` a host that has vanished is noticed also where no TCP of ours leads to it (a jump, a proxy).
    """

    _active_check_timeout = 1.0  # how often an idle connection's thread looks up; closing wakes it at once
    wanted: tuple[str, ...] = hostkeys.ALGORITHMS
    unanswered = 0  # questions so far
    is_silent = False  # whether it was ended for that

    def stay_alive(self, seconds: int, count: int) -> None:
        """Ask every `seconds` whether it is there; end the connection once `count` questions have no answer."""

        transport = weakref.proxy(self)

        def ask() -> None:
            if transport.unanswered >= count:
                transport.is_silent = True
                raise EOFError
            transport.unanswered += 1
            message = paramiko.Message()
            message.add_byte(paramiko.common.cMSG_GLOBAL_REQUEST)
            message.add_string("keepalive@openssh.com")
            message.add_boolean(True)
            transport._send_user_message(message)

        self.packetizer.set_keepalive(seconds, ask)

    def _parse_request_success(self, message: paramiko.Message) -> None:
        self.unanswered = 0
        super()._parse_request_success(message)  # type: ignore[misc]

    def _parse_request_failure(self, message: paramiko.Message) -> None:
        self.unanswered = 0
        super()._parse_request_failure(message)  # type: ignore[misc]

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        return self.wanted


class Socket(socket.socket):
    """A TCP socket that acknowledges at once while `eager`.

    Until a command runs, sshd sends its small packets under Nagle's rule: the next one waits for the
    acknowledgement of the last, which Linux would otherwise delay by 40 ms.
    """

    eager = hasattr(socket, "TCP_QUICKACK")

    def recv(self, size: int, flags: int = 0) -> bytes:
        data = super().recv(size, flags)
        if self.eager:
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data
