"""A systemd user unit that starts the daemon at boot. Called by `comeback`, in a process of its own.

It is enabled by the link that `systemctl enable` would make, so nothing needs to run for it. A user's units start
at boot only where that user lingers, which is asked for.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from typing import Optional

from xene.agent.home import lay

RUNNING, LINGER = "/run/systemd/system", "/var/lib/systemd/linger"
WANTS = "default.target.wants"


class Trouble(Exception):
    """Why the daemon will not come back, for people."""


def unit(agent: str, state: str, script: str) -> str:
    """The text of the unit. The steps of a daemon that is stopped go on, hence KillMode."""
    path = script.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f"""\
# Written by Xene, and removed by it: agent {agent} of state {state}.
[Unit]
Description=Xene agent {agent} of state {state}
ConditionPathExists={script.replace("%", "%%")}

[Service]
Type=oneshot
RemainAfterExit=yes
KillMode=process
ExecStart=/bin/sh "{path}"

[Install]
WantedBy=default.target
"""


def directory() -> str:
    """Where this user's units are."""
    home = os.environ.get("HOME") or pwd.getpwuid(os.geteuid()).pw_dir
    return os.path.join(os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "systemd", "user")


def put(name: str, text: Optional[str], below: str, running: str = RUNNING, linger: str = LINGER) -> None:
    """Have the unit `name` in the directory `below`, enabled; None: remove it. Raises Trouble and OSError."""
    path, link = os.path.join(below, name), os.path.join(below, WANTS, name)
    if text is None:
        for each in (link, path):
            if os.path.lexists(each):
                os.unlink(each)
        return
    if not os.path.isdir(running):
        raise Trouble("this host does not run systemd")
    _linger(linger)
    os.makedirs(os.path.dirname(link), exist_ok=True)
    lay(path, text.encode("utf-8", "surrogateescape"))
    if not os.path.lexists(link):
        os.symlink(os.path.join("..", name), link)


def _linger(directory: str) -> None:
    user = pwd.getpwuid(os.geteuid()).pw_name
    if os.path.exists(os.path.join(directory, user)):
        return
    try:
        subprocess.run(["loginctl", "enable-linger", user], capture_output=True, timeout=20.0)
    except (OSError, subprocess.TimeoutExpired):
        pass  # what counts is whether it is so, below
    if not os.path.exists(os.path.join(directory, user)):
        raise Trouble(
            f"units of user {user} do not start at boot: an administrator must run `loginctl enable-linger {user}`"
        )
