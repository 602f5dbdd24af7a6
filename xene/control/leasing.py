"""Leases at work: what agents ask for is stored and granted, and whose lease has ended is found out.

Called by `control.passes` on the control thread. `plan.leases` decides; the rows are `store.leases`. A grant is on
disk before it is sent, and no agent is granted anything before it was heard out and has let go of what another
may have by now.
"""

from __future__ import annotations

import math
import sqlite3
import time
from functools import cache
from typing import Any, Iterable, Mapping, NamedTuple

from xene.control.sessions import Sessions
from xene.plan.leases import PATIENCE, Clock, Hold, Lease, Outlook, granted, look, taken_over
from xene.store import leases
from xene.store.db import State
from xene.wire import messages

SILENT = "Silent"  # it has a connection, and does not ask for its lease: stopped, or hanging


class Ask(NamedTuple):
    """What an agent asks with: its boot id and CLOCK_BOOTTIME, which the grant echoes, and its wall clock."""

    boot: str
    up: float
    at: float | None


def read_clock() -> Clock:
    """This host's clocks, now."""
    return Clock(_boot_id(), time.clock_gettime(time.CLOCK_BOOTTIME), time.time())


@cache
def _boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def ask_of(message: Mapping[str, Any]) -> Ask | None:
    """What a `lease` message asks; None for one that makes no sense: it comes from a host that is not trusted."""
    boot, up, at = message.get("boot"), _number(message.get("up")), _number(message.get("at"))
    if not isinstance(boot, str) or not 0 < len(boot) <= 200 or not boot.isascii() or up is None:
        return None
    return Ask(boot, up, at)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def grant(state: State, sessions: Sessions, clock: Clock) -> list[str]:
    """Grant what was asked, to agents that were heard out; give their names. `clock` was read after they asked."""
    asking = [name for name, link in sessions.links.items() if link.asked is not None and link.caught_up]
    if asking:
        with state.snapshot() as conn:
            asking = [name for name in asking if not leases.is_fenced(conn, name)]
    if not asking:
        return []
    asks = {name: ask for name in asking if (ask := sessions.link(name).asked) is not None}
    with state.transaction() as conn:
        leases.put(conn, [leases.Row(*granted(name, clock, ask.at)) for name, ask in asks.items()])
    for name, ask in asks.items():
        sessions.send(name, messages.granted(sessions.epoch, ask.boot, ask.up))
        link = sessions.link(name)
        link.asked, link.leased, link.missed_since = None, True, None
    return list(asks)


def find_over(conn: sqlite3.Connection, sessions: Sessions, clock: Clock) -> Outlook:
    """Whose lease has ended by now. What was learned of silence is stored."""
    holds = [Hold(*row) for row in leases.bounds(conn)]
    if not holds:
        return Outlook((), {}, None)
    known = {row.agent: Lease(*row) for row in leases.every(conn)}
    up = {name for name, link in sessions.links.items() if link.up}
    away = {name for name, link in sessions.links.items() if not link.up and link.failures}
    found = look(holds, known, away, up, clock)
    leases.put(conn, [leases.Row(*lease) for lease in found.leases])
    return found


def hanging(
    conn: sqlite3.Connection, sessions: Sessions, over: Iterable[tuple[str, str]], clock: Clock
) -> tuple[list[str], float | None]:
    """Agents with a connection that have long not asked for the lease that they have lost; when to look again.

    One that has only just come back, or has only just got what wants a lease, is given time for its first question.
    """
    quiet = {agent for _, agent in over}
    found, waiting = [], []
    for name, link in sessions.links.items():
        missed = link.missed_since
        owes = name in quiet or (missed is not None and leases.is_fenced(conn, name))
        if not link.up or link.asked is not None or not owes:
            link.missed_since = None
            continue
        link.missed_since = clock.up if missed is None else missed
        if clock.up - link.missed_since >= PATIENCE:
            found.append(name)
        else:
            waiting.append(link.missed_since + PATIENCE)
    return found, min(waiting, default=None)


def unleased(conn: sqlite3.Connection, sessions: Sessions) -> list[str]:
    """Agents with a connection that have what wants a lease, and were not granted one on this connection."""
    names = dict.fromkeys(row.agent for row in leases.bounds(conn))
    return [name for name in names if sessions.link(name).up and not sessions.link(name).leased]


def take_over(conn: sqlite3.Connection, clock: Clock) -> None:
    """This state is a copy, or another control was at work: nobody knows what was granted until now."""
    leases.put(conn, [leases.Row(*taken_over(Lease(*row), clock)) for row in leases.every(conn)])
