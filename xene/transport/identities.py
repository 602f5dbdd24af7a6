"""The private keys that a host may be shown, in the order in which `ssh` would: never a password, never a prompt.

Called by `connection`, on paramiko's terms.
"""

from __future__ import annotations

import base64
import os
import socket
from typing import Generator, Iterator

from xene.errors import NotTrusted, Unreachable
from xene.transport.hostkeys import key_from_text
from xene.transport.lean_paramiko import paramiko
from xene.transport.route import Hop

MAX_AGENT_KEYS = 5  # servers allow six tries (MaxAuthTries)
_OPENSSH_MAGIC = b"openssh-key-v1\0"


class Identities:
    """The keys for one hop; `locked` are the files that want a passphrase, `tried` what was offered."""

    def __init__(self, hop: Hop) -> None:
        self._hop = hop
        self.locked: list[str] = []
        self.tried: list[str] = []

    def each(self) -> Generator[paramiko.PKey, None, None]:
        """Keys of ssh-agent that an identity file names, then the files, then the agent's other keys.

        Raises Unreachable (IdentityFileMissing) for a file that the manifest names, NotTrusted where others
        may read one.
        """
        agent = _ssh_agent()
        try:
            held = {key.asbytes(): key for key in agent.get_keys()} if agent else {}
            if not self._hop.explicit:
                yield from self._others(held)
            for path in self._hop.identities:
                key = self._of_file(path, held)
                if key is not None:
                    self.tried.append(path)
                    yield key
            if self._hop.explicit and not self._hop.only:
                yield from self._others(held)
        finally:
            if agent:
                agent.close()

    def _others(self, held: dict[bytes, paramiko.AgentKey]) -> Iterator[paramiko.PKey]:
        for key in list(held.values())[:MAX_AGENT_KEYS]:
            self.tried.append(f"ssh-agent: {key.comment or key.get_name()}")
            yield key

    def _of_file(self, path: str, held: dict[bytes, paramiko.AgentKey]) -> paramiko.PKey | None:
        try:
            with open(path, "rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                data = file.read(1 << 20)
        except FileNotFoundError:
            self._missing(path)
            return None
        except OSError as error:
            raise Unreachable(
                f"the key file {path} cannot be read: {error.strerror}", code="KeyUnusable"
            ) from None
        public = _public_part(path, data)
        if public in held:
            return held.pop(public)
        if data.startswith((b"ssh-", b"ecdsa-")):
            return None  # a public key, whose private part ssh-agent would have to hold
        if mode & 0o077:
            raise NotTrusted(
                f"others may read the private key {path}", hint=f"chmod 600 {path}", code="KeyFileUnsafe"
            )
        return self._load(path)

    def _missing(self, path: str) -> None:
        if self._hop.explicit and self._hop.only:
            raise Unreachable(
                f"there is no key file {path}",
                hint="make it with ssh-keygen, or correct `identityFile`",
                code="IdentityFileMissing",
            )

    def _load(self, path: str) -> paramiko.PKey | None:
        try:
            return paramiko.PKey.from_path(path)
        except (
            TypeError,
            paramiko.PasswordRequiredException,
        ):  # cryptography says TypeError: no password given
            self.locked.append(path)
        except (ValueError, paramiko.SSHException, paramiko.pkey.UnknownKeyType) as error:
            raise Unreachable(
                f"{path} is no private key that can be used: {error}",
                hint="make an ed25519 key: ssh-keygen -t ed25519",
                code="KeyUnusable",
            ) from None
        return None


def _ssh_agent() -> paramiko.Agent | None:
    """The user's ssh-agent; None where there is none or where it does not answer."""
    path = os.environ.get("SSH_AUTH_SOCK")
    if not path:
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:  # paramiko leaks a socket if this fails
        try:
            probe.connect(path)
        except OSError:
            return None
    try:
        return paramiko.Agent()
    except paramiko.SSHException:
        return None


def _public_part(path: str, data: bytes) -> bytes:
    """The public key's blob of a key file, also of an encrypted one; b"" where it cannot be told."""
    try:
        if b"BEGIN OPENSSH PRIVATE KEY" in data:
            raw = base64.b64decode(b"".join(data.strip().splitlines()[1:-1]))
            message = paramiko.Message(raw[len(_OPENSSH_MAGIC) :])
            for _ in range(3):  # cipher, key derivation, its options
                message.get_binary()
            message.get_int()
            return message.get_binary()
        if not data.startswith((b"ssh-", b"ecdsa-")):
            with open(path + ".pub", "rb") as file:
                data = file.read(1 << 16)
        return base64.b64decode(key_from_text(data.decode("ascii", "replace")).base64)
    except (OSError, ValueError, NotTrusted, paramiko.SSHException):
        return b""
