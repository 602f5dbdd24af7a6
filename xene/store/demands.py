"""What the state asks of hosts, and the latest moment that it knows of. Only reads; asked by `xene doctor`."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple


class Demands(NamedTuple):
    """What the pipelines that are placed on an agent need there."""

    clocked: bool  # one of them has a cron trigger
    contained: bool  # one of them runs in a container


def of_agent(conn: sqlite3.Connection, agent: str) -> Demands:
    """What is placed on `agent`."""
    clocked = conn.execute(
        "SELECT 1 FROM pipelines p JOIN triggers t ON t.workflow = p.workflow AND t.pipeline = p.name"
        " WHERE p.agent = ? AND t.cron IS NOT NULL LIMIT 1",
        (agent,),
    ).fetchone()
    contained = conn.execute(
        "SELECT 1 FROM pipelines p JOIN revisions v ON v.digest = p.revision"
        """ WHERE p.agent = ? AND instr(v.spec, '"container":{') LIMIT 1""",
        (agent,),
    ).fetchone()
    return Demands(clocked is not None, contained is not None)


def latest(conn: sqlite3.Connection) -> float | None:
    """The latest instant at which something was stored, in seconds since 1970."""
    row = conn.execute(
        "SELECT max(at) FROM (SELECT max(last_seen_at) AS at FROM agents UNION ALL"
        " SELECT max(updated_at) FROM objects UNION ALL"
        " SELECT at FROM events WHERE id = (SELECT max(id) FROM events))"
    ).fetchone()
    return None if row[0] is None else float(row[0])
