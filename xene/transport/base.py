"""What a way to a host is: where to (`Target`), and the bytes to and fro (`Channel`).

Used by `local`, `ssh` and `session`. Light on purpose: the local agent is started before the rest of Xene is
imported, so nothing heavier than `typing` may be needed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from xene.errors import NotTrusted, Unreachable, XeneError

if TYPE_CHECKING:
    from xene.model.agent import Ssh

MARKER_SECONDS = 20.0  # how long a host may take from the start of the command to the agent's marker
NOISE_BYTES = 64 * 1024  # how much a login shell may say before the marker
COMPLAINT_BYTES = 4096  # how much of what stderr said is kept


class Target:
    """An agent to be reached: `ssh` is None for the control host itself, `state` the uuid of the state."""

    __slots__ = ("home", "name", "python", "ssh", "state")

    def __init__(
        self, name: str, ssh: Ssh | None = None, *, home: str, python: str = "python3", state: str
    ) -> None:
        self.name = name
        self.ssh = ssh
        self.home = home
        self.python = python
        self.state = state

    def __repr__(self) -> str:
        where = self.ssh.host if self.ssh else "local"
        return f"Target({self.name!r}, {where!r}, home={self.home!r})"


class Channel(Protocol):
    """Bytes to and from one agent's `attach`, after its marker.

    One thread receives, one sends, and `close` may be called by any, also while the others wait.
    """

    def send(self, data: bytes) -> None:
        """Send all of it. Raises Unreachable (ChannelClosed)."""

    def recv(self, size: int) -> bytes:
        """Wait for up to `size` bytes; b"" once the other side has ended. Raises Unreachable."""

    def close(self) -> None:
        """End it. What was sent before still arrives. Harmless when repeated."""

    def complaint(self) -> str:
        """The tail of what the other side's stderr said."""


def closed(name: str) -> Unreachable:
    return Unreachable(f"the connection to agent {name} has ended", code="ChannelClosed")


def from_complaint(name: str, complaint: str, otherwise: XeneError) -> XeneError:
    """The error that the agent's own `xene-agent: Reason: message` line names; without one, `otherwise`."""
    import re

    found = re.search(r"xene-agent: ([A-Z][A-Za-z]+): (.+)", complaint)
    if not found:
        return otherwise
    reason, message = found.groups()
    hint = REMEDIES.get(reason, "")
    kind = NotTrusted if reason == "Untrusted" else Unreachable
    return kind(f"agent {name}: {message.strip()}", hint=hint, code=reason)


REMEDIES = {
    "PythonTooOld": "point `spec.python` of the agent at Python 3.9 or newer",
    "PythonMissing": "install Python 3.9 or newer there, or point `spec.python` of the agent at it",
    "HomeUnusable": "make `spec.home` of the agent a directory on a local disk that its user can write to",
    "DiskFull": "make room on the disk of the agent's `spec.home`; its runs go on by themselves then",
    "UploadFailed": "look for a full disk or a proxy that changes bytes, then try again",
}
