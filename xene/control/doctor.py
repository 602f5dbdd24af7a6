"""Gathering what `plan.health` judges: facts of the control host, and what each host says of itself.

Called by `xene doctor`. It changes nothing, needs no lock, and no agent that works: hosts are asked by a plain
script over SSH (`transport.examination`), all at once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, NamedTuple

from xene.control import lock
from xene.control.place import Place
from xene.errors import NotTrusted, Unreachable, XeneError
from xene.plan.health import OK, PROBLEM, Check, control, host
from xene.store import agents, db, demands, files
from xene.store.agents import Agent
from xene.store.db import State
from xene.store.notice_views import Standing, standing
from xene.transport.base import Target
from xene.transport.examination import Said, examine

AT_ONCE = 16
OURS = ("SshConfigInvalid", "SshConfigUnsafe", "RevokedKeysUnreadable")  # codes of what is wrong on this side

Examine = Callable[[Target, list[str]], Said]


class Report(NamedTuple):
    """The checks of one host, or of the control host (`agent` None). `reached`: it could be looked at."""

    agent: str | None
    checks: list[Check]
    reached: bool = True


def look(place: Place, names: list[str], *, ask: Examine = examine) -> list[Report]:
    """The control host and all agents; with `names` those agents alone. Raises NotFound, Storage."""
    here = [] if names else [Report(None, control.judge(control_facts(place, time.time())))]
    if here and here[0].checks[0].level == PROBLEM:  # a state that cannot be used names no agents
        return here
    with db.open_for_reading(place.state) as state:
        return here + _hosts(place, state, names, ask)


def _hosts(place: Place, state: State, names: list[str], ask: Examine) -> list[Report]:
    with state.snapshot() as conn:
        rows = [row for row in agents.every(conn) if row.name in names or not names]
        wants = {row.name: _wants(state.uuid, row, demands.of_agent(conn, row.name)) for row in rows}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(
            pool.map(lambda row: _host(place.target(row, state.uuid), row, wants[row.name], ask), rows)
        )


def _wants(uuid: str, row: Agent, placed: demands.Demands) -> host.Wants:
    said = row.facts.get("autostart")
    return host.Wants(
        row.name,
        uuid,
        clocked=placed.clocked,
        autostart=str(row.spec.get("autostart", "cron")),
        starts=said if isinstance(said, str) else None,
        contained=placed.contained,
    )


def _host(target: Target, row: Agent, wants: host.Wants, ask: Examine) -> Report:
    try:
        said = ask(target, list(row.trusted))
    except XeneError as error:
        return _out_of_reach(row.name, error)
    way = [] if target.ssh is None else [Check("host-key", OK, "it is the one that is known")]
    way.append(Check("connection", OK, "on this host" if target.ssh is None else "it lets us in"))
    return Report(row.name, way + host.judge(wants, said.noise, said.facts, said.sent, said.heard))


def _out_of_reach(agent: str, error: XeneError) -> Report:
    """A key that is not trusted, and our own configuration, were found out; all else is a host out of reach."""
    message = error.message.removeprefix(f"agent {agent}: ")
    found = isinstance(error, NotTrusted) or error.code in OURS
    name = "host-key" if isinstance(error, NotTrusted) and error.code not in OURS else "connection"
    return Report(agent, [Check(name, PROBLEM, message, error.hint)], reached=found or not _is_away(error))


def _is_away(error: XeneError) -> bool:
    return isinstance(error, Unreachable)


# -- the control host


def control_facts(place: Place, now: float) -> control.Facts:
    """All that is judged of the control host."""
    exists = os.path.exists(place.state)
    kind = files.file_system(_nearest(place.state))
    network = kind if files.is_network(kind) else ""
    modes = tuple(_modes(place))  # first: to open a state mends its mode
    trouble, newest, told = ("", None, None) if network or not exists else _open(place.state)
    holder = lock.holder(place.state) if exists else None
    space = os.statvfs(_nearest(place.state))
    return control.Facts(
        state=place.state,
        exists=exists,
        network=network,
        trouble=trouble,
        holder=holder,
        holder_program=files.program(holder) if holder else "",
        holder_stopped=_is_stopped(holder),
        free=space.f_bavail * space.f_frsize,
        inodes=space.f_favail if space.f_files else None,
        synchronized=synchronized(),
        now=now,
        newest=newest,
        modes=modes,
        controlled=exists and lock.controls(place.state),
        watched=told.watched if told else 0,
        waiting=told.waiting if told else 0,
        failing=told.failing if told else 0,
        untold=(told.error if told else None) or "",
    )


def _nearest(path: str) -> str:
    """The path, or the nearest directory above it that exists."""
    while not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def _open(path: str) -> tuple[str, float | None, Standing | None]:
    """What is wrong with a state, the latest instant that it knows of, and how its notices stand."""
    try:
        with db.open_for_reading(path) as state, state.snapshot() as conn:
            damage = conn.execute("PRAGMA quick_check(1)").fetchone()[0]
            trouble = "" if damage == "ok" else f"{path} is damaged: {damage}"
            return trouble, demands.latest(conn), standing(conn)
    except XeneError as error:
        return error.message, None, None


def _is_stopped(pid: int | None) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] in ("T", "t")
    except (OSError, IndexError):
        return False


def synchronized() -> str:
    """What systemd says of NTP: yes, no, or "" where it says nothing."""
    program = shutil.which("timedatectl")
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, "show", "-p", "NTPSynchronized", "--value"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=5, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _modes(place: Place) -> list[control.Mode]:
    """What stands in the home, as far as it is there, with the bits that it may have."""
    wanted = {place.home: 0o700, place.state: 0o600}
    wanted |= {os.path.join(place.home, name): 0o700 for name in ("logs", "artifacts", "local")}
    wanted |= {os.path.join(place.home, name): 0o600 for name in ("secrets.env", "identity.age")}
    wanted[os.path.join(place.home, "config.yaml")] = 0o644
    found = []
    for path, bits in wanted.items():
        try:
            about = os.stat(path)
        except OSError:
            continue  # it is not there, or told by another check
        found.append(control.Mode(path, about.st_mode & 0o777, bits, about.st_uid in (os.geteuid(), 0)))
    return found
