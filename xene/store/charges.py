"""Charges as they were last reckoned, the tags by which assignments are known, and the zones that charges name.

Filled by `control.charging` in a pass. A pipeline without a tag is one whose charge is to be reckoned anew: the
triggers of `schema.STALE` take the tag away whenever something changes from which a charge is made.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Iterable, Mapping, NamedTuple

from xene.model import phases


class Stale(NamedTuple):
    """A scheduled pipeline whose charge is to be reckoned. `charged`: the agent that the last one was made for."""

    workflow: str
    pipeline: str
    revision: str
    placement: str
    agent: str
    charged: str | None


def tag_plain(conn: sqlite3.Connection) -> None:
    """Pipelines that need no charge are known by their revision alone."""
    plain = (
        "tag IS NULL AND NOT EXISTS (SELECT 1 FROM triggers t WHERE t.workflow = pipelines.workflow"
        " AND t.pipeline = pipelines.name AND t.cron IS NOT NULL)"
        " AND coalesce(json_extract(placement, '$.onLost'), 'wait') <> 'replace'"
    )
    if conn.execute(f"SELECT 1 FROM pipelines WHERE {plain} LIMIT 1").fetchone() is not None:
        conn.execute(
            "DELETE FROM charges WHERE (workflow, pipeline) IN"
            f" (SELECT workflow, name FROM pipelines WHERE {plain})"
        )
        conn.execute(f"UPDATE pipelines SET tag = revision WHERE {plain}")


def some_untagged(conn: sqlite3.Connection) -> bool:
    """Whether some pipeline has no tag."""
    row = conn.execute(
        "SELECT 1 FROM pipelines INDEXED BY pipelines_untagged WHERE tag IS NULL LIMIT 1"
    ).fetchone()
    return row is not None


def stale(conn: sqlite3.Connection) -> list[Stale]:
    """Pipelines to be charged that nobody else has, or whose other holders cannot fire any more."""
    rows = conn.execute(
        "SELECT p.workflow, p.name, p.revision, p.placement, p.agent, c.agent"
        " FROM pipelines p INDEXED BY pipelines_untagged JOIN agents a ON a.name = p.agent"
        " LEFT JOIN charges c ON c.workflow = p.workflow AND c.pipeline = p.name"
        f" WHERE p.tag IS NULL AND p.agent IS NOT NULL AND p.phase = '{phases.SCHEDULED}'"
        " AND NOT EXISTS (SELECT 1 FROM holdings h WHERE h.workflow = p.workflow AND h.pipeline = p.name"
        " AND h.agent <> p.agent AND h.fenced_at IS NULL)"
    )
    return [Stale._make(row) for row in rows]


def put(
    conn: sqlite3.Connection,
    key: tuple[str, str, str],
    policy: str,
    secrets: Mapping[str, str],
    charge: Mapping[str, Any],
    tag: str,
) -> None:
    """Store the charge of (workflow, pipeline, agent). `secrets` are names by environment variable."""
    conn.execute(
        "INSERT INTO charges (workflow, pipeline, agent, policy, secrets, charge) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (workflow, pipeline) DO UPDATE SET agent = excluded.agent, policy = excluded.policy,"
        " secrets = excluded.secrets, charge = excluded.charge",
        (
            *key,
            policy,
            json.dumps(dict(secrets)),
            json.dumps(charge, separators=(",", ":"), ensure_ascii=False),
        ),
    )
    conn.execute("UPDATE pipelines SET tag = ? WHERE workflow = ? AND name = ?", (tag, *key[:2]))


class Charged(NamedTuple):
    """A pipeline that is on an agent, as an assignment names it. `policy` None: it has no charge.

    `secrets` are names by environment variable, as JSON.
    """

    workflow: str
    pipeline: str
    agent: str
    tag: str
    policy: str | None
    secrets: str


def every(conn: sqlite3.Connection) -> list[Charged]:
    """All scheduled pipelines, by workflow and name. One whose charge is not reckoned yet bears its revision."""
    rows = conn.execute(
        "SELECT p.workflow, p.name, p.agent, coalesce(p.tag, p.revision), c.policy, coalesce(c.secrets, '{}')"
        " FROM pipelines p"
        " LEFT JOIN charges c ON c.workflow = p.workflow AND c.pipeline = p.name AND c.agent = p.agent"
        f" WHERE p.agent IS NOT NULL AND p.phase = '{phases.SCHEDULED}' ORDER BY p.workflow, p.name"
    )
    return [Charged._make(row) for row in rows]


def with_secrets(conn: sqlite3.Connection) -> list[Charged]:
    """Those that need secrets."""
    rows = conn.execute(
        "SELECT p.workflow, p.name, p.agent, coalesce(p.tag, p.revision), c.policy, c.secrets FROM charges c"
        " JOIN pipelines p ON p.workflow = c.workflow AND p.name = c.pipeline AND p.agent = c.agent"
        " WHERE c.secrets <> '{}'"
    )
    return [Charged._make(row) for row in rows]


def read(conn: sqlite3.Connection, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The JSON of the charges of these pipelines (`WORKFLOW/PIPELINE`) that have one."""
    found = {}
    for key in keys:
        workflow, _, pipeline = key.partition("/")
        row = conn.execute(
            "SELECT charge FROM charges WHERE workflow = ? AND pipeline = ?", (workflow, pipeline)
        ).fetchone()
        if row is not None:
            found[key] = json.loads(row[0])
    return found


# -- zones


def zones(conn: sqlite3.Connection) -> dict[str, str]:
    """The digests of all zones that are stored, by name."""
    return dict(conn.execute("SELECT name, digest FROM zones"))


def put_zone(conn: sqlite3.Connection, name: str, digest: str, data: bytes) -> None:
    """Store a zone's rules. Where they differ from those before, charges are reckoned anew."""
    conn.execute(
        "INSERT INTO zones (name, digest, data) VALUES (?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, data = excluded.data",
        (name, digest, data),
    )


def zone_data(conn: sqlite3.Connection, digest: str) -> bytes:
    """The bytes of a zone's file by their digest, for one that some charge names."""
    row = conn.execute("SELECT data FROM zones WHERE digest = ?", (digest,)).fetchone()
    return bytes(row[0])


def zone_named(conn: sqlite3.Connection, name: str) -> bytes | None:
    """The bytes of a zone's file by its name."""
    row = conn.execute("SELECT data FROM zones WHERE name = ?", (name,)).fetchone()
    return None if row is None else bytes(row[0])
