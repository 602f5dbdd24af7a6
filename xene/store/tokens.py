"""Tokens of the HTTP API as rows: what they may, for how long, and a digest in the place of the token itself.

Called by `control.tokens` and `server`, inside their transactions; `views.tokens` is how people see them.
"""

from __future__ import annotations

import sqlite3
from typing import Mapping, NamedTuple

from xene.store.db import State
from xene.store.rows import Json, Where, instant

TRIGGER, READ, ADMIN = "trigger", "read", "admin"
ROLES = (TRIGGER, READ, ADMIN)
_COLUMNS = "name, role, scope, created_at, expires_at, last_used_at"


class Token(NamedTuple):
    """`scope`: `WORKFLOW` or `WORKFLOW/PIPELINE`, None for everything. Instants are seconds since 1970."""

    name: str
    role: str
    scope: str | None
    created_at: float
    expires_at: float | None = None
    last_used_at: float | None = None


def create(conn: sqlite3.Connection, token: Token, ident: str, digest: str) -> bool:
    """Store a token under its public part. False if there is one of that name."""
    known = conn.execute("SELECT 1 FROM tokens WHERE name = ?", (token.name,)).fetchone()
    if known is None:
        conn.execute(
            f"INSERT INTO tokens ({_COLUMNS}, ident, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*token, ident, digest),
        )
    return known is None


def remove(conn: sqlite3.Connection, name: str) -> bool:
    """Take a token back. False if there is none of that name."""
    return bool(conn.execute("DELETE FROM tokens WHERE name = ?", (name,)).rowcount)


def find(conn: sqlite3.Connection, ident: str) -> tuple[Token, str] | None:
    """The token with that public part, and the digest of the whole; None if there is none."""
    row = conn.execute(f"SELECT {_COLUMNS}, digest FROM tokens WHERE ident = ?", (ident,)).fetchone()
    return None if row is None else (Token(*row[:-1]), str(row[-1]))


def used(conn: sqlite3.Connection, at: Mapping[str, float]) -> None:
    """By name: when tokens were last used. It never goes back; one that is gone is passed over."""
    conn.executemany(
        "UPDATE tokens SET last_used_at = max(?, coalesce(last_used_at, 0)) WHERE name = ?",
        [(when, name) for name, when in at.items()],
    )


def tokens(state: State, *, name: str | None = None, limit: int | None = None) -> list[Json]:
    """`{name, role, for, createdAt, expiresAt, lastUsedAt}` by name."""
    where = Where()
    where.add("name = ?", name)
    query = f"SELECT {_COLUMNS} FROM tokens{where} ORDER BY name LIMIT ?"
    with state.snapshot() as conn:
        rows = conn.execute(query, (*where.values, -1 if limit is None else limit)).fetchall()
    return [_json(Token(*row)) for row in rows]


def _json(token: Token) -> Json:
    return {
        "name": token.name,
        "role": token.role,
        "for": token.scope,
        "createdAt": instant(token.created_at),
        "expiresAt": instant(token.expires_at),
        "lastUsedAt": instant(token.last_used_at),
    }
