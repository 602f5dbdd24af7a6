"""The health of a host, from what `transport.examination` heard of it. Pure; called by `control.doctor`.

Nothing that a host says is believed to be of any form: what cannot be read is skipped, and said to be.
"""

from __future__ import annotations

from typing import Mapping, NamedTuple, Sequence

from xene.plan.health import OK, PROBLEM, SKIPPED, WARNING, Check, room

SKEW = 5.0  # seconds by which a clock may differ
OLDEST_PYTHON = (3, 9)
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "afs", "ceph", "fuse.sshfs", "lustre", "v9fs"}
)

Facts = Mapping[str, Sequence[str]]


class Wants(NamedTuple):
    """What the state wants of an agent. `state` is its uuid; `clocked`: it holds a pipeline with a cron trigger.

    `autostart`: cron, systemd or none, as its spec says; `starts`: what the agent last said it has, None: nothing.
    `contained`: a pipeline that it holds runs in a container.
    """

    agent: str
    state: str
    clocked: bool = False
    autostart: str = "cron"
    starts: str | None = None
    contained: bool = False


def judge(wants: Wants, noise: str, facts: Facts, sent: float, heard: float) -> list[Check]:
    """Every check of one host; without facts only that its login shell runs nothing."""
    if not facts:
        return [_dumb(noise)]
    return [
        _login_shell(noise),
        _python(facts),
        _clock(facts, sent, heard),
        _home(facts),
        _disk(facts),
        _tmp(facts),
        _lingering(facts),
        _autostart(wants, facts),
        _daemons(wants, facts),
        _engine(wants, facts),
    ]


def _first(facts: Facts, key: str) -> str:
    return next(iter(facts.get(key, ())), "")


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2][:200]


def _dumb(noise: str) -> Check:
    said = f"; it said: {_last_line(noise)}" if noise else ""
    return Check(
        "login-shell", PROBLEM, f"the login shell runs no command{said}",
        "see that `ssh HOST true` works: its shell, a ForceCommand, its start-up files",
    )  # fmt: skip


def _login_shell(noise: str) -> Check:
    if noise:
        return Check(
            "login-shell", WARNING, f"the login shell talks when it runs a command: {_last_line(noise)}",
            "let its start-up files say nothing without a terminal: [ -t 1 ] || return",
        )  # fmt: skip
    return Check("login-shell", OK, "it runs commands, and says nothing of its own")


def _python(facts: Facts) -> Check:
    said = _first(facts, "python")
    remedy = "install Python 3.9 or newer there, or point `spec.python` of the agent at it"
    if not said:
        return Check("python", PROBLEM, "there is no such Python", remedy)
    parts = said.split(".")
    if not all(part.isdigit() for part in parts) or len(parts) != 3:
        return Check("python", PROBLEM, f"its Python does not work; it said: {_last_line(said)}", remedy)
    if tuple(int(part) for part in parts[:2]) < OLDEST_PYTHON:
        return Check("python", PROBLEM, f"it is Python {said}, which is older than 3.9", remedy)
    return Check("python", OK, f"Python {said}")


def _clock(facts: Facts, sent: float, heard: float) -> Check:
    """Between `sent` and `heard` the host read its clock; only what is beyond both is certain to be wrong.

    A clock that gives whole seconds alone may be one behind.
    """
    text = _first(facts, "now")
    try:
        now = float(text)
    except ValueError:
        return Check("clock", SKIPPED, "the host did not say what time it is")
    if not -1e12 < now < 1e12:
        return Check("clock", SKIPPED, "the host did not say what time it is")
    slack = 0.0 if "." in text else 1.0
    skew = now - heard if now > heard else min(0.0, now + slack - sent)
    if abs(skew) > SKEW:
        word = "ahead of" if skew > 0 else "behind"
        return Check(
            "clock", PROBLEM, f"its clock is {abs(skew):.0f} s {word} that of the control host",
            "keep both in step with NTP (timedatectl set-ntp true, chrony): schedules go by the host's clock",
        )  # fmt: skip
    return Check("clock", OK, "in step with the control host")


def _home(facts: Facts) -> Check:
    home, kind = _first(facts, "home"), _first(facts, "home_type")
    remedy = "make `spec.home` of the agent a directory of its user on a local disk"
    mode, _, owner = _first(facts, "home_mode").partition(" ")
    if kind in NETWORK:
        return Check("home", PROBLEM, f"{home} is on a network file system ({kind})", remedy)
    if owner and owner != _first(facts, "uid"):
        return Check("home", PROBLEM, f"{home} belongs to another user", remedy)
    if (mode and mode[-1] in "2367") or (len(mode) > 1 and mode[-2] in "2367"):
        return Check("home", PROBLEM, f"{home} may be written by others (mode {mode})", f"chmod 700 {home}")
    if _first(facts, "home_runs") == "unwritable":
        return Check("home", PROBLEM, f"{home} cannot be written", remedy)
    if _first(facts, "home_runs") == "noexec":
        return Check(
            "home", WARNING, f"{home} is on a file system that runs no programs (noexec)",
            "steps that start a program out of their workspace fail there; move `spec.home`, or mount it with exec",
        )  # fmt: skip
    return Check("home", OK, f"{home} can be used")


def _disk(facts: Facts) -> Check:
    free = _column(_first(facts, "home_disk"), 3)
    if free is None:
        return Check("disk", SKIPPED, "the host did not say how full its disk is")
    total, left = _column(_first(facts, "home_inodes"), 1), _column(_first(facts, "home_inodes"), 3)
    return room("disk", _first(facts, "home") or "its home", free * 1024, left if total else None)


def _column(line: str, place: int) -> int | None:
    """A number of a line of `df -P`."""
    words = line.split()
    return int(words[place]) if len(words) > place and words[place].isdigit() else None


def _tmp(facts: Facts) -> Check:
    where, found = _first(facts, "tmp"), _first(facts, "tmp_runs")
    if found == "unwritable":
        return Check(
            "tmp", WARNING, f"nothing can be written to {where}", "free some space there, or set TMPDIR"
        )
    if found == "noexec":
        return Check(
            "tmp", WARNING, f"{where} runs no programs (noexec)",
            "Xene does not mind; steps that unpack and run programs there do: set TMPDIR in the agent's `env`",
        )  # fmt: skip
    return Check("tmp", OK, f"{where} can be used") if found else Check("tmp", SKIPPED, "not known")


def _lingering(facts: Facts) -> Check:
    """systemd-logind may end what a user left running when the last login ends: the daemon and all its steps."""
    kill, user = _first(facts, "kill_user_processes"), _first(facts, "user")
    if kill not in ("b true", "b false"):
        return Check("lingering", SKIPPED, "no systemd-logind was found there, which would end processes")
    if kill == "b true" and "yes" not in facts.get("linger", ()):
        return Check(
            "lingering", PROBLEM, "systemd ends all processes of its user at the last logout (KillUserProcesses)",
            f"on the host, as root: loginctl enable-linger {user}",
        )  # fmt: skip
    return Check("lingering", OK, "processes outlive a logout")


def _autostart(wants: Wants, facts: Facts) -> Check:
    if not wants.clocked:
        return Check("autostart", OK, "it holds no cron trigger, so nothing is to be started after a reboot")
    if wants.autostart == "none":
        return Check(
            "autostart", WARNING, "it holds cron triggers, and its spec says `autostart: none`",
            "after a reboot nothing fires until control is in touch; say `autostart: cron` or `systemd`",
        )  # fmt: skip
    if wants.starts in (None, "none"):
        return Check(
            "autostart", PROBLEM, "it holds cron triggers, and nothing starts it after a reboot",
            f"see `xene why agent/{wants.agent}`; let its user have a crontab, or say `autostart: systemd`",
        )  # fmt: skip
    if wants.starts == "cron" and not facts.get("cron_daemon"):
        return Check(
            "autostart", PROBLEM, "its crontab would start it after a reboot, but no cron daemon runs there",
            "install and start cron there, or say `autostart: systemd`",
        )  # fmt: skip
    if wants.starts == "cron" and _first(facts, "crontab_lines") in ("", "0"):
        return Check(
            "autostart", PROBLEM, "the line that starts it after a reboot is gone from its user's crontab",
            "its daemon writes the line when it starts: end the daemon there, then run `xene reconcile`",
        )  # fmt: skip
    if wants.starts == "systemd" and "yes" not in facts.get("linger", ()):
        return Check(
            "autostart", PROBLEM, "its systemd unit is started only when its user logs in",
            f"on the host, as root: loginctl enable-linger {_first(facts, 'user')}",
        )  # fmt: skip
    return Check("autostart", OK, f"it is started after a reboot ({wants.starts})")


def _daemons(wants: Wants, facts: Facts) -> Check:
    """Daemons in the same home: ours, and those of states that may be long forgotten, and go on firing."""
    found = [line.split(" ", 1) for line in facts.get("daemon", ()) if " " in line]
    mine = f"{wants.state}/{wants.agent}"
    others = [(pid, whose) for pid, whose in found if not whose.startswith(wants.state + "/")]
    if others:
        pid, whose = others[0]
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        return Check(
            "daemons", WARNING, f"a daemon of another state runs there too: {whose} (process {pid}){more}",
            f"if that state is no more: kill {pid}, and remove its directory below {_first(facts, 'home')}",
        )  # fmt: skip
    running = any(whose == mine for _, whose in found)
    return Check("daemons", OK, "its daemon runs" if running else "its daemon does not run now")


def _engine(wants: Wants, facts: Facts) -> Check:
    found = [line.split(" ", 2) for line in facts.get("engine", ())]
    works = [words[0] for words in found if words[1:2] == ["0"]]
    if works:
        return Check("engine", OK, f"{', '.join(works)} can be used")
    if not wants.contained:
        return Check("engine", OK, "no container engine works there, and no pipeline here wants one")
    if found:
        said = f"; it said: {found[0][2][:200]}" if len(found[0]) > 2 and found[0][2] else ""
        return Check(
            "engine", PROBLEM, f"{found[0][0]} is there and does not work{said}",
            f"on the host, as {_first(facts, 'user')}: {found[0][0]} info",
        )  # fmt: skip
    return Check(
        "engine", PROBLEM, "a pipeline here runs in a container, and there is no podman and no docker",
        "install podman there, or place the pipeline elsewhere",
    )  # fmt: skip
