"""Deliveries that were answered, so that one that comes again gets the same answer and starts nothing.

Called inside the transaction in which the runs come to be: either both are on disk or neither. A delivery is known
by its route, by who sent it (a token's name, or "" where a signature is the proof) and by the sender's key.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from typing import NamedTuple, Sequence

from xene.errors import Conflict

KEPT = 7 * 86400.0  # seconds
_LOT = 100  # old ones that go with each new one


class Delivery(NamedTuple):
    """What tells one from another."""

    route: str
    token: str
    key: str


class Answered(NamedTuple):
    """What it was answered: the HTTP status, and the ids of its runs."""

    status: int
    runs: tuple[str, ...]


def seen(conn: sqlite3.Connection, now: float, delivery: Delivery, body: bytes) -> Answered | None:
    """What this delivery was answered before, None if it is new. Raises Conflict if its body was another one."""
    row = conn.execute(
        "SELECT body, answer FROM deliveries WHERE route = ? AND token = ? AND key = ? AND at > ?",
        (*delivery, now - KEPT),
    ).fetchone()
    if row is None:
        return None
    if row[0] != _digest(body):
        raise Conflict(
            f"the key {delivery.key} came before with another body",
            hint="a new request wants a key of its own",
        )
    found = json.loads(row[1])
    return Answered(found["status"], tuple(found["runs"]))


def keep(
    conn: sqlite3.Connection, now: float, delivery: Delivery, body: bytes, status: int, runs: Sequence[str]
) -> None:
    """Remember the answer for a week; some of those that are older go."""
    conn.execute(
        "INSERT OR REPLACE INTO deliveries (route, token, key, body, answer, at) VALUES (?, ?, ?, ?, ?, ?)",
        (*delivery, _digest(body), json.dumps({"status": status, "runs": list(runs)}), now),
    )
    remove_old(conn, now, _LOT)


def remove_old(conn: sqlite3.Connection, now: float, most: int) -> int:
    """Delete those that have had their time, at most so many; how many went."""
    return conn.execute(
        "DELETE FROM deliveries WHERE (route, token, key) IN"
        " (SELECT route, token, key FROM deliveries WHERE at <= ? ORDER BY at LIMIT ?)",
        (now - KEPT, most),
    ).rowcount


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
