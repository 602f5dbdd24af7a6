"""How a daemon comes back after a reboot: a script that starts it, and whatever calls that script.

The verb `autostart` of the agent's command line, run by the daemon in a process of its own, since a crontab may be
slow and must not hold up anything. What goes wrong is printed, and changes nothing.
"""

from __future__ import annotations

import os
import pwd
import sys
from typing import Mapping, Optional

from xene.agent import crontab, units
from xene.agent.home import Home, daemon_home, lay
from xene.model.agent import CRON, NO_AUTOSTART, SYSTEMD

_KEPT = (
    "PATH",
    "LANG",
    "TZ",
    "TMPDIR",
)  # what steps get of the daemon's environment: see `facts.user_environment`
_MARK = "# xene:"


def carry_out(how: str, options: Mapping[str, str], code: str) -> int:
    """Make it so that the daemon comes back as `how` says. 0, or 1 with a sentence on stdout.

    `options` are `--home`, `--state`, `--agent`, `--umask`; `code` is the directory that the daemon runs from.
    """
    state, agent = options["--state"], options["--agent"]
    home = daemon_home(options["--home"], state, agent)
    try:
        if how != NO_AUTOSTART:
            lay(home.start, script(options, code, os.environ).encode("utf-8", "surrogateescape"))
        _systemd(home, state, agent, how == SYSTEMD)
        _cron(home, state, agent, how == CRON)
        if how == NO_AUTOSTART and os.path.exists(home.start):
            os.unlink(home.start)
    except (crontab.Trouble, units.Trouble, OSError) as error:
        print(error)
        return 1
    return 0


def script(options: Mapping[str, str], code: str, environment: Mapping[str, str]) -> str:
    """The script. It starts the very daemon that wrote it, with what that had of its user's environment."""
    words = [sys.executable, "-I", "-S", code, "start"]
    for name in ("--home", "--state", "--agent"):
        words += [name, options[name]]
    kept = [f"{name}={quoted(environment[name])}; export {name}\n" for name in _KEPT if name in environment]
    return (
        "# Written by Xene at each start of this agent's daemon; called after a reboot.\n"
        + "".join(kept)
        + f"umask {options['--umask']}\nexec {' '.join(map(quoted, words))}\n"
    )


def quoted(word: str) -> str:
    """A word for `sh`."""
    return "'" + word.replace("'", "'\\''") + "'"


def line(path: str, state: str, agent: str) -> bytes:
    """The line of a crontab. cron takes `%` for the end of a line; a home that is gone is no error at each boot."""
    script = quoted(path).replace("%", "\\%")
    return f"@reboot [ ! -f {script} ] || /bin/sh {script} {_MARK} {state}/{agent}".encode(
        "utf-8", "surrogateescape"
    )


def _cron(home: Home, state: str, agent: str, wanted: bool) -> None:
    marker = f"{_MARK} {state}/{agent}".encode()
    if "\n" in home.start:
        raise crontab.Trouble("a path with a line break cannot stand in a crontab")
    text: Optional[bytes] = line(home.start, state, agent) if wanted else None
    if not wanted and not _may_have(marker):
        return
    crontab.put(marker, text, pwd.getpwuid(os.geteuid()).pw_dir)


def _may_have(marker: bytes) -> bool:
    """Whether there may be a line to be taken away: a host without cron has none."""
    try:
        found = crontab.read()
    except crontab.Trouble as error:
        if "no program" in str(error):
            return False
        raise
    return found is not None and marker in found


def _systemd(home: Home, state: str, agent: str, wanted: bool) -> None:
    text = units.unit(agent, state, home.start) if wanted else None
    units.put(f"xene-{state}-{agent}.service", text, units.directory())
