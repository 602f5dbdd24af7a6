"""An agent: a host that executes pipelines, as a manifest describes it. Pure."""

from __future__ import annotations

from typing import Mapping, Optional

from xene.model.records import dataclass, field

CRON, SYSTEMD, NO_AUTOSTART = "cron", "systemd", "none"  # how its daemon comes back after a reboot
AUTOSTARTS = (CRON, SYSTEMD, NO_AUTOSTART)
LOCAL = "local"  # the name of the agent that a state without any Agent object has


@dataclass(frozen=True)
class Ssh:
    """How to reach a host; what is None comes from ~/.ssh/config, then from OpenSSH's defaults.

    `host_key` pins the key, in the form `ssh-ed25519 AAAA...`; without it known_hosts decides, strictly.
    """

    host: str
    user: Optional[str] = None
    port: Optional[int] = None
    identity_file: Optional[str] = None
    jump: Optional[str] = None
    host_key: Optional[str] = None


@dataclass(frozen=True)
class Agent:
    """`ssh` is None for an agent on the control host itself. `capacity` None means its CPUs, once known."""

    name: str
    ssh: Optional[Ssh] = None
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    capacity: Optional[int] = None
    env: Mapping[str, str] = field(default_factory=dict)
    python: str = "python3"
    home: str = "~/.xene"
    cordon: bool = False
    autostart: str = CRON
