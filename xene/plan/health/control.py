"""The health of the control host, from facts that `control.doctor` gathered. Pure."""

from __future__ import annotations

from typing import NamedTuple

from xene.plan.health import OK, PROBLEM, SKIPPED, WARNING, Check, room

EARLY = 60.0  # seconds by which the state may be ahead of the clock


class Mode(NamedTuple):
    """A file or directory that nobody else may touch. `wanted` are the bits that it may have."""

    path: str
    mode: int
    wanted: int
    ours: bool


class Facts(NamedTuple):
    """What was found. Instants in seconds since 1970; `synchronized` as timedatectl says it (yes, no, "")."""

    state: str
    exists: bool
    network: str  # the type of a network file system that holds the state, "" for a local disk
    trouble: str  # why the state cannot be used, "" where it can
    holder: int | None  # the process that is at work
    holder_program: str
    holder_stopped: bool
    free: int
    inodes: int | None
    synchronized: str
    now: float
    newest: float | None  # the latest instant that the state knows
    modes: tuple[Mode, ...]
    controlled: bool = False  # a controller is at work
    watched: int = 0  # pipelines that say whom to tell
    waiting: int = 0  # notices that are not delivered
    failing: int = 0  # those of them that were tried in vain
    untold: str = ""  # why the newest of these was


def judge(facts: Facts) -> list[Check]:
    """Every check of the control host."""
    where = facts.state
    return [
        _state(facts),
        _clock(facts),
        _lock(facts),
        room("disk", where, facts.free, facts.inodes),
        _modes(facts),
        _notices(facts),
    ]


def _state(facts: Facts) -> Check:
    if facts.network:
        return Check(
            "state", PROBLEM, f"{facts.state} is on a network file system ({facts.network})",
            "keep the state on a local disk: set XENE_HOME, or give --state FILE",
        )  # fmt: skip
    if facts.trouble:
        return Check("state", PROBLEM, facts.trouble, "restore a backup: see docs/backup.md")
    if not facts.exists:
        return Check("state", OK, f"there is no state at {facts.state} yet")
    return Check("state", OK, f"{facts.state} is whole, and on a local disk")


def _clock(facts: Facts) -> Check:
    remedy = "set the clock, and keep it right: timedatectl set-ntp true"
    if facts.newest is not None and facts.newest - facts.now > EARLY:
        ahead = facts.newest - facts.now
        return Check(
            "clock", PROBLEM, f"the state knows of a moment {ahead:.0f} s ahead of the clock", remedy
        )
    if facts.synchronized == "no":
        return Check("clock", WARNING, "the clock is not kept in step by NTP", remedy)
    if facts.synchronized == "yes":
        return Check("clock", OK, "kept in step by NTP")
    return Check("clock", SKIPPED, "nothing here tells whether the clock is kept in step (no timedatectl)")


def _lock(facts: Facts) -> Check:
    if facts.holder is None:
        return Check("lock", OK, "nobody is at work on the state now")
    who = f"process {facts.holder} ({facts.holder_program})"
    if facts.holder_stopped:
        return Check(
            "lock", PROBLEM, f"{who} holds the lock of the state, and is stopped",
            f"let it go on: kill -CONT {facts.holder}; or end it: kill -KILL {facts.holder}",
        )  # fmt: skip
    return Check("lock", OK, f"{who} is at work on the state")


def _modes(facts: Facts) -> Check:
    foreign = [found.path for found in facts.modes if not found.ours]
    if foreign:
        return Check(
            "modes", PROBLEM, f"{', '.join(foreign)} belongs to another user", f"chown it: {foreign[0]}"
        )
    loose = [found for found in facts.modes if found.mode & ~found.wanted]
    if loose:
        names = ", ".join(f"{found.path} ({found.mode:04o})" for found in loose)
        remedy = "; ".join(f"chmod {found.wanted:o} {found.path}" for found in loose)
        return Check("modes", PROBLEM, f"others may read or change {names}", remedy)
    return Check("modes", OK, "nobody else may read or change what is here")


def _notices(facts: Facts) -> Check:
    if not facts.controlled and (facts.watched or facts.waiting):
        what = f"{_many(facts.waiting, 'notice')} not delivered yet"
        if not facts.waiting:
            what = f"{_many(facts.watched, 'pipeline')} with notify"
        return Check(
            "notices", WARNING, f"{what}, and no controller is at work: it alone tells people",
            "have one run: xene controller install (docs/controller.md)",
        )  # fmt: skip
    if facts.failing:
        return Check(
            "notices", WARNING, f"{_many(facts.failing, 'notice')} tried in vain, the newest: {facts.untold}",
            "see to the target, and to smtp and allow in config.yaml (docs/notify.md)",
        )  # fmt: skip
    if not facts.watched:
        return Check("notices", OK, "no pipeline says whom to tell")
    return Check("notices", OK, f"{_many(facts.watched, 'pipeline')} with notify, nothing that fails")


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
