"""Which host keys are to be trusted: pinned, trusted in the state, or in OpenSSH's known_hosts; strictly.

Called by `ssh`. It reads files and decides; it never asks and never writes. The first source that knows
anything of a host decides: a pin, then the state, then known_hosts; only a `@revoked` line stands above all.
Host certificates are checked here, since paramiko looks at none of their contents.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Iterable, Sequence

from xene.errors import NotTrusted
from xene.transport.config import matches

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.serialization import SSHCertificate

CERTIFICATE = "-cert-v01@openssh.com"
ALGORITHMS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)


@dataclass(frozen=True)
class HostKey:
    """A public key: `type` as in `ssh-ed25519`, `base64` its blob, `fingerprint` as `SHA256:...`."""

    type: str
    base64: str

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(base64.b64decode(self.base64)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    def __str__(self) -> str:
        return f"{self.type} {self.base64}"


@dataclass(frozen=True)
class Line:
    """One line of a known_hosts file: whom it is about, in OpenSSH's own notation, and the key."""

    marker: str
    hosts: str
    key: HostKey
    where: str

    def is_about(self, name: str) -> bool:
        if self.hosts.startswith("|1|"):
            return _hashed(self.hosts, name)
        return matches(self.hosts.split(","), name)


@dataclass(frozen=True)
class Known:
    """All that is known of one host: the keys that it may show, the authorities, what was revoked.

    `source` says in words where the keys are from.
    """

    name: str
    names: tuple[str, ...]
    keys: tuple[HostKey, ...]
    authorities: tuple[HostKey, ...]
    revoked: tuple[HostKey, ...]
    source: str


def key_from_text(text: str) -> HostKey:
    """`ssh-ed25519 AAAA... comment`. Raises NotTrusted (HostKeyInvalid) for what is no public key."""
    words = text.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
        length = int.from_bytes(blob[:4], "big")
        if blob[4 : 4 + length].decode() == words[0] and length < len(blob) - 4:
            return HostKey(words[0], base64.b64encode(blob).decode())
    except (IndexError, ValueError):  # no base64, no ASCII
        pass
    raise NotTrusted(
        f"{text[:60]!r} is no public host key",
        hint="write it as `ssh-keyscan HOST` prints it: ssh-ed25519 AAAA...",
        code="HostKeyInvalid",
    )


def key_from_blob(blob: bytes) -> HostKey:
    length = int.from_bytes(blob[:4], "big")
    return HostKey(blob[4 : 4 + length].decode("ascii", "replace"), base64.b64encode(blob).decode())


def read_known_hosts(path: str) -> list[Line]:
    """The lines of a file; none if it is missing. What is no such line is passed over, as `ssh` does."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            texts = file.read().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise NotTrusted(
            f"{path} cannot be read: {error.strerror}", hint="see to its mode", code="HostKeyUnknown"
        ) from None
    lines = [_line(text, f"{path}:{number}") for number, text in enumerate(texts, 1)]
    return [line for line in lines if line]


def read_revoked(path: str) -> tuple[HostKey, ...]:
    """The public keys of a `RevokedHostKeys` file. Raises NotTrusted where it cannot be read, as `ssh` does."""
    try:
        with open(path, "rb") as file:
            data = file.read()
        if data.startswith(b"SSHKRL"):
            raise OSError(None, "it is a KRL; only a list of public keys is understood here")
        lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines()]
        return tuple(key_from_text(line) for line in lines if line and not line.startswith("#"))
    except OSError as error:
        raise NotTrusted(
            f"RevokedHostKeys {path} cannot be read: {error.strerror}",
            hint="without it no host is trusted: correct it in ~/.ssh/config",
            code="RevokedKeysUnreadable",
        ) from None


def _line(text: str, where: str) -> Line | None:
    words = text.split()
    marker = words.pop(0) if words and words[0].startswith("@") else ""
    if len(words) < 3 or words[0].startswith("#") or marker not in ("", "@revoked", "@cert-authority"):
        return None
    try:
        return Line(marker, words[0], key_from_text(f"{words[1]} {words[2]}"), where)
    except NotTrusted:
        return None


def _hashed(hosts: str, name: str) -> bool:
    """OpenSSH's hashed names: `|1|SALT|HMAC-SHA1(SALT, NAME)`."""
    try:
        salt, digest = (base64.b64decode(part) for part in hosts.split("|")[2:4])
    except ValueError:
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), digest)


def known_about(
    host: str,
    port: int,
    alias: str | None,
    *,
    pinned: str | None,
    trusted: Sequence[str],
    files: Iterable[str],
    revoked_file: str | None = None,
) -> Known:
    """What is known of a host, out of the first source that knows it.

    Under a port other than 22 a key is also good that is known for the host without its port (as for `ssh`).
    """
    plain = (alias or host).lower()
    name = plain if alias or port == 22 else f"[{plain}]:{port}"
    names = tuple(dict.fromkeys((name, plain)))
    lines = [line for path in files for line in read_known_hosts(path)]
    revoked = _keys(lines, "@revoked", names) + (read_revoked(revoked_file) if revoked_file else ())
    if pinned:
        return Known(plain, names, (key_from_text(pinned),), (), revoked, "that the Agent's `hostKey` pins")
    if trusted:
        keys = tuple(key_from_text(text) for text in trusted)
        return Known(plain, names, keys, (), revoked, "that `xene agent trust` recorded")
    keys = _keys(lines, "", names)
    return Known(
        plain, names, keys, _keys(lines, "@cert-authority", names), revoked, "that known_hosts holds"
    )


def _keys(lines: list[Line], marker: str, names: tuple[str, ...]) -> tuple[HostKey, ...]:
    return tuple(line.key for line in lines if line.marker == marker and any(map(line.is_about, names)))


def algorithms(known: Known) -> tuple[str, ...]:
    """The host key algorithms to ask for, best first: certificates where an authority is known, then the types
    that are known, then the rest (whose keys only tell that something has changed)."""
    types = {key.type for key in known.keys}
    plain = sorted(ALGORITHMS, key=lambda name: _key_type(name) not in types)
    certificates = [name + CERTIFICATE for name in ALGORITHMS] if known.authorities else []
    return (*certificates, *plain)


def _key_type(algorithm: str) -> str:
    return "ssh-rsa" if algorithm.startswith("rsa-") else algorithm


def check(
    agent: str,
    known: Known,
    key: HostKey,
    certificate: bytes | None,
    *,
    remedy: str = "",
    now: float | None = None,
) -> None:
    """Whether a host may be who it says it is. Raises NotTrusted (HostKeyUnknown, HostKeyChanged, ...).

    `key` is the plain key that it proved to have; `certificate` the blob of the certificate around it, if it
    showed one. `remedy` is what makes its key known; `now` in seconds since 1970.
    """
    if key in known.revoked:
        raise _refusal("HostKeyRevoked", agent, known, key, "is marked as revoked",
                       "the host must get a new key; it is not trusted with this one")  # fmt: skip
    if certificate is not None and known.authorities:
        problem = certificate_problem(certificate, known, time.time() if now is None else now)
        if not problem:
            return
        if key not in known.keys:
            raise _refusal("HostCertificateInvalid", agent, known, key, f"came with a certificate that {problem}",
                           "have the certificate authority sign this host's key anew")  # fmt: skip
    if key in known.keys:
        return
    remedy = remedy or f"xene agent trust {agent}"
    hint = f"if `ssh-keygen -lf` on the host shows that fingerprint: {remedy}"
    if known.keys:
        raise _refusal("HostKeyChanged", agent, known, key, f"is not the one {known.source}", hint)
    raise _refusal("HostKeyUnknown", agent, known, key, "is not known yet", hint)


def _refusal(code: str, agent: str, known: Known, key: HostKey, what: str, hint: str) -> NotTrusted:
    subject = f"agent {agent}: the {key.type} key of {known.names[0]} ({key.fingerprint})"
    return NotTrusted(f"{subject} {what}", hint=hint, code=code)


def certificate_problem(blob: bytes, known: Known, now: float) -> str:
    """Why this host certificate does not vouch for the host; "" if it does (PROTOCOL.certkeys of OpenSSH)."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import (
        SSHCertificate,
        SSHCertificateType,
        load_ssh_public_identity,
    )

    shown = key_from_blob(blob)
    try:
        certificate = load_ssh_public_identity(str(shown).encode())
        assert isinstance(certificate, SSHCertificate)
        authority = _signer(certificate)
        if authority in known.revoked:
            return "was signed by a revoked authority"
        if authority not in known.authorities:
            return "was signed by an authority that known_hosts does not hold for this host"
        certificate.verify_cert_signature()
    except (ValueError, AssertionError, UnsupportedAlgorithm):
        return "cannot be read"
    except InvalidSignature:
        return "is not signed by the authority that it names"
    if certificate.type is not SSHCertificateType.HOST:
        return "is a user's, not a host's"
    if certificate.critical_options:
        return "has critical options, which a host certificate has not"
    if not certificate.valid_after <= now < certificate.valid_before:
        return "is not valid at this time"
    if certificate.valid_principals and known.name.encode() not in certificate.valid_principals:
        names = b", ".join(certificate.valid_principals).decode("utf-8", "replace")
        return f"is for {names}, not for {known.name}"
    return ""


def _signer(certificate: SSHCertificate) -> HostKey:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key_from_text(
        certificate.signature_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    )
