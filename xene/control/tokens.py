"""Tokens of the HTTP API: made and taken back by commands, checked by `server`.

A token is `xene_IDENT_SECRET`: IDENT finds its row, SECRET is 256 random bits. The state holds the sha256 of the
whole, not the token: whoever reads a copy of the state cannot use it. Nothing slow is needed for that, as it would
be for passwords: nobody guesses 256 bits.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import sqlite3
import time
from typing import Callable

from xene.control.place import Place
from xene.errors import Conflict, NotFound
from xene.store import db, events, tokens
from xene.store.tokens import Token

PREFIX = "xene_"  # so that scanners for leaked secrets can know it
_FORM = re.compile(r"xene_([a-z2-7]{16})_[A-Za-z0-9_-]{43}")
_NOBODY = hashlib.sha256(b"").hexdigest()


def make(random: Callable[[int], bytes] = os.urandom) -> tuple[str, str]:
    """A new token, and its public part."""
    ident = base64.b32encode(random(10)).decode().lower()
    secret = base64.urlsafe_b64encode(random(32)).decode().rstrip("=")
    return f"{PREFIX}{ident}_{secret}", ident


def digest(token: str) -> str:
    """What the state keeps of a token. A header may hold any bytes."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def create(place: Place, token: Token) -> str:
    """Store a token of that name and give it: it is shown this once. Raises Conflict, Storage."""
    word, ident = make()
    with db.open_state(place.state) as state, state.transaction() as conn:
        if not tokens.create(conn, token, ident, digest(word)):
            raise Conflict(
                f"there is a token {token.name} already", hint=f"xene token rm {token.name}; or another name"
            )
        scope = f" for {token.scope}" if token.scope else ""
        events.note(conn, token.created_at, "Token", token.name, "Created", f"role {token.role}{scope}")
    return word


def remove(place: Place, name: str) -> None:
    """Take a token back: it opens nothing from now on. Raises NotFound, Storage."""
    with db.open_state(place.state, create=False) as state:
        if not state.exists:
            raise NotFound(f"there is no token {name}", hint="xene get tokens")
        with state.transaction() as conn:
            if not tokens.remove(conn, name):
                raise NotFound(f"there is no token {name}", hint="xene get tokens")
            events.note(conn, time.time(), "Token", name, "Removed")


def check(conn: sqlite3.Connection, now: float, word: str) -> Token | None:
    """The token that `word` is, None where it is none, or one that has expired.

    The comparison takes as long wherever two words differ, and also where there is no such token.
    """
    match = _FORM.fullmatch(word)
    found = tokens.find(conn, match[1]) if match else None
    same = hmac.compare_digest(digest(word), found[1] if found else _NOBODY)
    if found is None or not same:
        return None
    token = found[0]
    return token if token.expires_at is None or now < token.expires_at else None
