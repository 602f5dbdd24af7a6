"""What a pass decided, as rows and as messages: intents are stored first, then the agents are told.

Called by `control.passes`: `carry_out` inside the pass's transaction, `send` once that is on disk.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Iterable, Mapping, NamedTuple, Sequence

from xene.control import entrusting
from xene.control.archive import Archive
from xene.control.fetching import Fetching
from xene.control.safe import Safe
from xene.control.sessions import Sessions
from xene.control.stowing import Stowing
from xene.control.world import World
from xene.model import phases
from xene.plan.dispatch import Decisions
from xene.plan.orders import Entrust, Orders
from xene.store import agents, events, leases, runs, slots
from xene.wire import messages
from xene.wire.frames import Message

NEVER_STARTED = "it never started, so there is no log"


class Letter(NamedTuple):
    """What one agent is told. `stop`: it is done and goes. `stow`: artifacts that it is to get, by run."""

    agent: str
    messages: list[Message]
    orders: Orders
    stop: bool = False
    stow: Mapping[str, Sequence[Mapping[str, Any]]] = {}


def carry_out(
    conn: sqlite3.Connection, now: float, sessions: Sessions, seen: World, decisions: Decisions, safe: Safe
) -> list[Letter]:
    """Store everything that was decided; give what is to be sent when it is on disk."""
    agents.unhold(conn, [(*_split(key), agent) for agent, key in decisions.void_holdings])
    for agent, key in decisions.void_holdings:
        slots.let_go(conn, now, agent, key)  # it never had it, so what was unknown it did not fire
    agents.intend(conn, [(*_split(key), agent) for agent, key in decisions.new_holdings])
    for lost in decisions.end:
        runs.end(conn, now, lost.run, lost.reason, lost.message, log="gone")
        runs.archived(conn, lost.run, "gone", NEVER_STARTED)
    for each in seen.runs:
        if each.missing and each.known and not each.ended:
            runs.still_lacks(conn, now, each.id, each.missing)
    for run in decisions.forget:
        runs.released(conn, run)
    confirmed = {(held.agent, held.key): held.observed for held in seen.held} if decisions.orders else {}
    letters = [
        _letter(conn, now, sessions.epoch, seen, confirmed, name, orders, safe)
        for name, orders in decisions.orders.items()
    ]
    return letters + _farewells(conn, sessions, seen, decisions.gone)


def _letter(
    conn: sqlite3.Connection,
    now: float,
    epoch: int,
    seen: World,
    confirmed: Mapping[tuple[str, str], str | None],
    name: str,
    orders: Orders,
    safe: Safe,
) -> Letter:
    """One agent's orders as messages, in the order in which they hold: charges, assign, starts, ..., releases."""
    out: list[Message] = []
    if orders.entrusts:
        _say_what_lacks(conn, now, orders.entrusts, safe)
        out += entrusting.pieces(conn, epoch, orders.entrusts, safe)
    if orders.assign is not None:
        wanted = orders.assign.all
        missing = [key for key, revision in wanted.items() if confirmed.get((name, key)) != revision]
        told = {key: (tag, seen.lost_after.get(key)) for key, tag in wanted.items()}
        leases.sent(conn, name, told)
        how = orders.assign.autostart
        out.append(messages.assign(epoch, wanted, orders.assign.capacity, missing, how))
    if orders.starts:
        runs.sent(conn, now, str(seen.rows[name].journal), orders.starts)
        out += [
            messages.start(epoch, order.to_json(), safe.values.get(order.id))
            for order in runs.orders(conn, orders.starts)
        ]
    out += [messages.unlock(epoch, each.run, safe.values[each.run]) for each in orders.unlocks]
    out += [messages.retry(epoch, each.run, each.attempt, each.start) for each in orders.retries]
    out += [
        messages.answer(epoch, each.run, each.task, each.approved, each.message) for each in orders.answers
    ]
    out += [messages.cancel(epoch, each.run, each.kill, each.reason) for each in orders.cancels]
    if orders.release_runs or orders.release_workspaces:
        out.append(messages.release(epoch, list(orders.release_runs), list(orders.release_workspaces)))
        for run in orders.release_workspaces:
            runs.workspace_dropped(conn, run)
    stow = {order.id: order.artifacts for order in runs.orders(conn, orders.stow)}
    return Letter(name, out, orders, stow=stow)


def _say_what_lacks(conn: sqlite3.Connection, now: float, entrusts: Iterable[Entrust], safe: Safe) -> None:
    """A charge goes out without secrets that cannot be had, so that at least the slots are kept account of."""
    for each in entrusts:
        if not each.whole:
            message = f"it fires, and its runs wait: {safe.lacking[each.key]}"
            events.note_news(conn, now, "Pipeline", each.key, phases.SECRET_MISSING, message)


def _farewells(
    conn: sqlite3.Connection, sessions: Sessions, seen: World, gone: Iterable[str]
) -> list[Letter]:
    """Agents that are done: stopped and forgotten. One that has a daemon must be reached for that."""
    letters = []
    for name in gone:
        if not is_droppable(sessions, seen, name):
            continue
        if seen.rows[name].journal is not None:
            letters.append(Letter(name, [messages.stop(sessions.epoch)], Orders(), stop=True))
        agents.drop(conn, name)
    return letters


def is_droppable(sessions: Sessions, seen: World, name: str) -> bool:
    """Whether an agent that is done can be forgotten now: it has no daemon, or can be told to stop it."""
    link = sessions.links.get(name)
    return seen.rows[name].journal is None or (link is not None and link.up)


def orphans(seen: World) -> list[tuple[str, str]]:
    """Ended runs whose logs nobody can send any more, and why."""
    return [
        (run.id, "its agent lost it, or is gone")
        for run in seen.runs
        if run.ended and not run.archived and _journal_of(seen, run.agent) != run.sent_journal
    ]


def _journal_of(seen: World, name: str) -> str | None:
    row = seen.rows.get(name)
    return None if row is None else row.journal


def send(
    sessions: Sessions, archive: Archive, fetching: Fetching, stowing: Stowing, letters: Iterable[Letter]
) -> None:
    """Tell the agents what is on disk now. One that has gone down meanwhile is told on its next connection."""
    for letter in letters:
        for message in letter.messages:
            sessions.send(letter.agent, message)
        if letter.stop:
            sessions.drop(letter.agent)
            continue
        link = sessions.link(letter.agent)
        link.told = link.told.plus(letter.orders)
        for run, artifacts in letter.stow.items():
            stowing.begin(letter.agent, run, artifacts)
        for each in letter.orders.collect:
            if fetching.resume(letter.agent, each.run, each.attempt):
                continue
            request, offsets = archive.begin(letter.agent, each.run)
            follow = messages.follow(sessions.epoch, request, each.run, live=False, offsets=offsets)
            sessions.send(letter.agent, follow)


def _split(key: str) -> tuple[str, str]:
    workflow, _, pipeline = key.partition("/")
    return workflow, pipeline
