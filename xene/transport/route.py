"""The way to a host: the hops of an Agent's `ssh`, once `~/.ssh/config` has had its say. Opens nothing.

Called by `ssh`. What the manifest says wins over the configuration, the configuration over OpenSSH's defaults.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
from dataclasses import dataclass, replace

from xene.errors import Unreachable
from xene.model.agent import Ssh
from xene.transport import config

MAX_HOPS = 16
CONNECT_SECONDS = 10.0
ALIVE_SECONDS, ALIVE_COUNT = 5, 2  # a silent host is given up after some 15 s
DEFAULT_IDENTITIES = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
USER_KNOWN_HOSTS = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
GLOBAL_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
_JUMP = re.compile(r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?P<host>\[[^\]]+\]|[^:]+)(?::(?P<port>\d+))?/?")


@dataclass(frozen=True)
class Hop:
    """One host on the way. `identities` are the key files to try; `only` leaves out other keys of the agent."""

    name: str
    host: str
    port: int
    user: str
    identities: tuple[str, ...]
    explicit: bool
    only: bool
    alias: str | None
    known_hosts: tuple[str, ...]
    revoked: str | None
    seconds: float
    alive_seconds: int = ALIVE_SECONDS
    alive_count: int = ALIVE_COUNT
    pinned: str | None = None
    proxy_command: str | None = None

    def __str__(self) -> str:
        return f"{self.user}@{self.host}" + (f":{self.port}" if self.port != 22 else "")


def route(ssh: Ssh, files: tuple[str, ...] | None = None) -> list[Hop]:
    """The hops to `ssh`, the host itself last. Raises Unreachable (SshConfigInvalid)."""
    return _hops(ssh, files, depth=0, direct=False)


def _hops(ssh: Ssh, files: tuple[str, ...] | None, depth: int, direct: bool) -> list[Hop]:
    if depth > MAX_HOPS:
        raise Unreachable(
            f"the jump hosts of {ssh.host} lead to each other in a circle",
            hint="give the jump host a `Host` entry of its own with `ProxyJump none`",
            code="SshConfigInvalid",
        )
    found = config.settings_for(ssh.host, user=ssh.user, files=files)
    hop = _hop(ssh, found)
    jump = "none" if direct else ssh.jump or found.values.get("proxyjump") or "none"
    command = found.values.get("proxycommand", "none")
    if jump.lower() != "none":
        return [*_jumps(jump, files, depth), hop]
    if direct or command.lower() == "none":
        return [hop]
    return [_through(hop, config.expand_command(command, _tokens(hop)))]


def _jumps(jump: str, files: tuple[str, ...] | None, depth: int) -> list[Hop]:
    """The first of a list is reached as its own configuration says, each later one through the one before."""
    hops: list[Hop] = []
    for text in jump.split(","):
        matched = _JUMP.fullmatch(text.strip())
        if not matched:
            raise Unreachable(
                f"{text.strip()!r} is no jump host", hint="write [USER@]HOST[:PORT]", code="SshConfigInvalid"
            )
        port = int(matched["port"]) if matched["port"] else None
        ssh = Ssh(host=matched["host"].strip("[]"), user=matched["user"], port=port)
        hops += _hops(ssh, files, depth + 1, direct=bool(hops))
    return hops


def _hop(ssh: Ssh, found: config.Settings) -> Hop:
    values = found.values
    host = values.get("hostname", ssh.host).replace("%h", ssh.host).replace("%%", "%")
    user = ssh.user or values.get("user") or config.login()
    port = ssh.port or int(values.get("port", "22"))
    tokens = {"h": host, "n": ssh.host, "p": str(port), "r": user, "u": config.login(), "i": str(os.getuid()),
              "d": os.path.expanduser("~"), "l": socket.gethostname(), "L": socket.gethostname().split(".")[0],
              "k": values.get("hostkeyalias", ssh.host)}  # fmt: skip
    given = (
        [ssh.identity_file] if ssh.identity_file else [config.expand(one, tokens) for one in found.identities]
    )
    revoked = values.get("revokedhostkeys", "none")
    return Hop(
        name=ssh.host,
        host=host,
        port=port,
        user=user,
        identities=tuple(_path(one) for one in given or DEFAULT_IDENTITIES if one.lower() != "none"),
        explicit=bool(given),
        only=bool(ssh.identity_file) or values.get("identitiesonly", "no").lower() == "yes",
        alias=values.get("hostkeyalias"),
        known_hosts=_known_hosts(values, tokens),
        revoked=_path(config.expand(revoked, tokens)) if revoked.lower() != "none" else None,
        seconds=float(config.seconds(values.get("connecttimeout")) or CONNECT_SECONDS),
        alive_seconds=config.seconds(values.get("serveraliveinterval")) or ALIVE_SECONDS,
        alive_count=int(values.get("serveralivecountmax", "0")) or ALIVE_COUNT,
        pinned=ssh.host_key,
    )


def _known_hosts(values: dict[str, str], tokens: dict[str, str]) -> tuple[str, ...]:
    texts = (
        values.get("userknownhostsfile", USER_KNOWN_HOSTS),
        values.get("globalknownhostsfile", GLOBAL_KNOWN_HOSTS),
    )
    words = [word for text in texts for word in shlex.split(text) if word.lower() != "none"]
    return tuple(_path(config.expand(word, tokens)) for word in words)


def _path(text: str) -> str:
    return os.path.abspath(os.path.expanduser(text))


def _tokens(hop: Hop) -> dict[str, str]:
    return {"h": hop.host, "n": hop.name, "p": str(hop.port), "r": hop.user}


def _through(hop: Hop, command: str) -> Hop:
    return replace(hop, proxy_command=command)
