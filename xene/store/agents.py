"""Agents as they were observed: phase, journal and cursor, facts, trusted keys; and what each of them holds.

Called by `control` inside its transactions. An agent's row is there as long as it has an object, is the
implicit one, or is leaving and has not let go of everything.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Iterable, Mapping, NamedTuple

from xene.errors import NotFound
from xene.model import phases
from xene.model.agent import AUTOSTARTS, NO_AUTOSTART
from xene.store import events, overrides

FACTS_MAX = 64 * 1024  # characters of JSON
_FACTS, _FACT_MAX = 64, 1000  # how many facts, and how many characters of one, are kept
CPUS_MOST = 1024  # that are believed: what a host says it has draws work to it


class Agent(NamedTuple):
    """One row. `capacity` is the declared one, else its CPUs once known. `spec` is that of its object.

    `tried_at`: when it was last found to be ready or in trouble; None: no contact was ever tried. `drained`: it
    gives away what it has.
    """

    name: str
    implicit: bool
    leaving: bool
    phase: str
    reason: str | None
    message: str | None
    cordoned: bool
    capacity: int | None
    labels: Mapping[str, str]
    journal: str | None
    cursor: int
    version: str | None
    facts: Mapping[str, Any]
    trusted: tuple[str, ...]
    spec: Mapping[str, Any]
    last_seen_at: float | None
    tried_at: float | None
    drained: bool


_COLUMNS = (
    "name, implicit, leaving, phase, reason, message, cordoned, capacity, labels, journal, cursor,"
    " version, facts, trusted, spec, last_seen_at, tried_at, EXISTS (SELECT 1 FROM overrides o"
    " WHERE o.kind = 'Agent' AND o.name = agents.name AND o.field = 'drained' AND o.value)"
)


def every(conn: sqlite3.Connection) -> list[Agent]:
    """All agents by name, those that leave too."""
    return [_agent(row) for row in conn.execute(f"SELECT {_COLUMNS} FROM agents ORDER BY name")]


def read(conn: sqlite3.Connection, name: str) -> Agent | None:
    row = conn.execute(f"SELECT {_COLUMNS} FROM agents WHERE name = ?", (name,)).fetchone()
    return None if row is None else _agent(row)


def _agent(row: tuple[Any, ...]) -> Agent:
    facts = json.loads(row[12]) if row[12] else {}
    capacity = row[7] if row[7] is not None else cpus_of(facts)
    return Agent(
        name=row[0],
        implicit=bool(row[1]),
        leaving=bool(row[2]),
        phase=row[3],
        reason=row[4],
        message=row[5],
        cordoned=bool(row[6]),
        capacity=capacity,
        labels=json.loads(row[8]),
        journal=row[9],
        cursor=row[10],
        version=row[11],
        facts=facts,
        trusted=tuple(json.loads(row[13])),
        spec=json.loads(row[14]),
        last_seen_at=row[15],
        tried_at=row[16],
        drained=bool(row[17]),
    )


def rewound(conn: sqlite3.Connection, now: float, name: str) -> None:
    """An agent's journal has become shorter: nothing that it was heard to say holds, until it says it again."""
    conn.execute("UPDATE agents SET cursor = 0 WHERE name = ?", (name,))
    conn.execute(
        "UPDATE holdings SET observed_revision = NULL, sent = '', bound = NULL WHERE agent = ?", (name,)
    )
    events.note(
        conn, now, "Agent", name, "HomeRestored", "its journal is older than what it was heard to say"
    )


def cpus_of(facts: Mapping[str, Any]) -> int | None:
    """The CPUs that a host says it has, as far as that is believed."""
    cpus = facts.get("cpus")
    return min(cpus, CPUS_MOST) if isinstance(cpus, int) and cpus > 0 else None


def is_hello(hello: Mapping[str, Any]) -> bool:
    """Whether an agent's hello can be stored: it comes from a host that is not trusted."""
    words = (hello.get("journal"), hello.get("version"), hello.get("boot"))
    facts = hello.get("facts")
    return (
        all(isinstance(word, str) and 0 < len(word) <= 200 and word.isascii() for word in words)
        and isinstance(facts, dict)
        and len(json.dumps(facts)) <= FACTS_MAX
    )


def _plain_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that are plain values, bounded: no lists, no infinities, no half characters."""
    kept: dict[str, Any] = {}
    for name, value in list(facts.items())[:_FACTS]:
        if isinstance(value, str):
            kept[events.plain(name)[:64]] = events.plain(value)[:_FACT_MAX]
        elif isinstance(value, (int, float)) and -(2**53) <= value <= 2**53:
            kept[events.plain(name)[:64]] = value
    return kept


def heard(conn: sqlite3.Connection, now: float, name: str, hello: Mapping[str, Any]) -> bool:
    """Record an agent's hello (one that `is_hello`). True if its journal is another one than before.

    Then its cursor starts anew.
    """
    facts = _plain_facts(hello["facts"])
    row = conn.execute("SELECT journal, phase FROM agents WHERE name = ?", (name,)).fetchone()
    if row is None:
        return False
    journal = str(hello["journal"])
    other = bool(row[0] != journal)
    conn.execute(
        "UPDATE agents SET phase = ?, reason = NULL, message = NULL, journal = ?, version = ?, boot = ?,"
        " facts = ?, last_seen_at = ?, tried_at = ?,"
        " cursor = CASE WHEN ? THEN 0 ELSE cursor END WHERE name = ?",
        (
            phases.READY, journal, str(hello["version"]), str(hello.get("boot")),
            json.dumps(facts), now, now, other, name,
        ),
    )  # fmt: skip
    if row[1] != phases.READY:
        events.note(conn, now, "Agent", name, phases.READY, f"it answers from {facts.get('hostname')}")
    return other


def seen(conn: sqlite3.Connection, heard: Iterable[tuple[str, float]]) -> None:
    """Record when connected agents were heard last: names and seconds since 1970."""
    conn.executemany("UPDATE agents SET last_seen_at = ? WHERE name = ?", [(at, name) for name, at in heard])


def in_trouble(
    conn: sqlite3.Connection, now: float, name: str, phase: str, reason: str, message: str
) -> None:
    """Record that an agent could not be reached, or must not be."""
    row = conn.execute("SELECT phase, reason FROM agents WHERE name = ?", (name,)).fetchone()
    if row is None:
        return
    reason = events.plain(reason)[:64]
    conn.execute(
        "UPDATE agents SET phase = ?, reason = ?, message = ?, tried_at = ? WHERE name = ?",
        (phase, reason, events.plain(message), now, name),
    )
    if row != (phase, reason):
        events.note(conn, now, "Agent", name, reason, message)


def trust(conn: sqlite3.Connection, now: float, name: str, key: str, fingerprint: str) -> None:
    """Trust one host key (`TYPE BASE64`) of an agent, instead of those trusted before. Raises NotFound."""
    changed = conn.execute(
        "UPDATE agents SET trusted = ?, phase = ?, reason = 'NeverContacted', tried_at = NULL,"
        " message = 'its host key is trusted; it has not been contacted since' WHERE name = ?",
        (json.dumps([key]), phases.NOT_READY, name),
    )
    if not changed.rowcount:
        raise NotFound(f"there is no agent {name}", hint="xene get agents")
    events.note(conn, now, "Agent", name, "HostKeyTrusted", fingerprint)


def cordon(conn: sqlite3.Connection, name: str, cordoned: bool) -> None:
    """Whether the agent takes nothing new, after manifest and words."""
    conn.execute("UPDATE agents SET cordoned = ? WHERE name = ?", (int(cordoned), name))


def comes_back(conn: sqlite3.Connection, now: float, name: str, how: str, why: str | None) -> None:
    """How the agent's daemon comes back after a reboot (cron, systemd, none), and why not as it was asked to."""
    conn.execute(
        "UPDATE agents SET facts = json_set(coalesce(facts, '{}'), '$.autostart', ?) WHERE name = ?",
        (how if how in AUTOSTARTS else NO_AUTOSTART, name),
    )
    if why:
        message = f"it does not come back by itself after a reboot: {why}"
        events.note_news(conn, now, "Agent", name, "AutostartFailed", message)


def drop(conn: sqlite3.Connection, name: str) -> None:
    """Forget an agent, whatever it held, and what was said of it."""
    conn.execute("DELETE FROM holdings WHERE agent = ?", (name,))
    conn.execute("DELETE FROM leases WHERE agent = ?", (name,))
    overrides.forget(conn, overrides.AGENT, name)
    conn.execute("DELETE FROM agents WHERE name = ?", (name,))


# -- holdings: which pipelines an agent has, or may have


class Holding(NamedTuple):
    """`observed_revision` is the tag that the agent has confirmed (`model.charge.tag`), None until it has.

    `fenced_at`: its lease has ended, and another agent may have the pipeline; it fires no instant after this one.
    `bound`: what it has may be replaced; see `store.leases`.
    """

    workflow: str
    pipeline: str
    agent: str
    observed_revision: str | None
    fenced_at: float | None = None
    bound: float | None = None


def holdings(conn: sqlite3.Connection, agent: str | None = None) -> list[Holding]:
    """What all agents hold, or one of them."""
    query = "SELECT workflow, pipeline, agent, observed_revision, fenced_at, bound FROM holdings"
    if agent is None:
        return [Holding._make(row) for row in conn.execute(query)]
    return [Holding._make(row) for row in conn.execute(query + " WHERE agent = ?", (agent,))]


def holders(conn: sqlite3.Connection, workflow: str, pipeline: str) -> list[Agent]:
    """The agents that have a pipeline, or may have it."""
    rows = conn.execute(
        "SELECT agent FROM holdings WHERE workflow = ? AND pipeline = ?", (workflow, pipeline)
    ).fetchall()
    return [found for (name,) in rows if (found := read(conn, name)) is not None]


def fences(conn: sqlite3.Connection, workflow: str, pipeline: str) -> list[tuple[str, float]]:
    """The agents that lost a pipeline and have not said so yet, and until when they may have fired it."""
    rows = conn.execute(
        "SELECT agent, fenced_at FROM holdings WHERE workflow = ? AND pipeline = ? AND fenced_at IS NOT NULL",
        (workflow, pipeline),
    )
    return [(row[0], row[1]) for row in rows]


def intend(conn: sqlite3.Connection, keys: Iterable[tuple[str, str, str]]) -> None:
    """Record, before an assignment is sent, that an agent may hold (workflow, pipeline, agent) from now on."""
    conn.executemany("INSERT OR IGNORE INTO holdings (workflow, pipeline, agent) VALUES (?, ?, ?)", keys)


def confirm(conn: sqlite3.Connection, agent: str, has: Mapping[str, str], gone: Iterable[str]) -> None:
    """Record what an agent says that it has (`WORKFLOW/PIPELINE`: revision) and what it let go of."""
    conn.executemany(
        "UPDATE holdings SET observed_revision = ?, bound = CASE WHEN sent = ? THEN sent_bound ELSE bound END"
        " WHERE workflow = ? AND pipeline = ? AND agent = ?",
        [(revision, revision, *_split(key), agent) for key, revision in has.items()],
    )
    conn.executemany(
        "DELETE FROM holdings WHERE workflow = ? AND pipeline = ? AND agent = ?",
        [(*_split(key), agent) for key in gone],
    )


def _split(key: str) -> tuple[str, str]:
    workflow, _, pipeline = key.partition("/")
    return workflow, pipeline


def forget_holdings(conn: sqlite3.Connection, agent: str) -> None:
    """An agent with a new journal holds nothing."""
    conn.execute("DELETE FROM holdings WHERE agent = ?", (agent,))


def unhold(conn: sqlite3.Connection, keys: Iterable[tuple[str, str, str]]) -> None:
    """Delete holdings (workflow, pipeline, agent) that turned out never to have arrived."""
    conn.executemany("DELETE FROM holdings WHERE workflow = ? AND pipeline = ? AND agent = ?", keys)
