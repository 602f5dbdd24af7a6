"""Who asks, and whether they may: bearer tokens, their roles and their scope.

A token's last use is written in lots, not with each request (`Uses`). Called by `app` before a handler; handlers of
what belongs to a workflow call `check_scope` too.
"""

from __future__ import annotations

import sqlite3
import time

from aiohttp import web

from xene.control import tokens as credentials
from xene.server.readers import Readers
from xene.server.refusals import Forbidden, Unauthorized
from xene.server.writer import Writing
from xene.store import tokens
from xene.store.tokens import ADMIN, Token

EVERY = 30.0  # seconds between two writes of what was used


def bearer(request: web.Request) -> str:
    """The word of `Authorization: Bearer WORD`. Raises Unauthorized."""
    scheme, _, word = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not word.strip():
        raise Unauthorized("a token is wanted: Authorization: Bearer TOKEN", hint="xene token create")
    return word.strip()


async def authenticate(readers: Readers, word: str) -> Token:
    """The token that `word` is. Raises Unauthorized."""
    now = time.time()

    def look(conn: sqlite3.Connection) -> Token | None:
        return credentials.check(conn, now, word)

    found = await readers.read(lambda state: look(state.conn) if state.exists else None)
    if found is None:
        raise Unauthorized("the token is not known, was removed, or has expired", hint="xene get tokens")
    return found


def check_role(token: Token, role: str) -> None:
    """`admin` includes the others, which are apart. Raises Forbidden."""
    if token.role not in (role, ADMIN):
        raise Forbidden(
            f"token {token.name} has the role {token.role}, and {role} is wanted",
            hint=f"xene token create NAME --role {role}",
        )


def check_scope(token: Token, workflow: str | None, pipeline: str | None = None) -> None:
    """What a token with `--for` opens: its workflow, or its pipeline, alone. Raises Forbidden.

    `workflow` None: something that belongs to no workflow, `pipeline` None: to all of its pipelines.
    """
    if not covers(token, workflow, pipeline):
        raise Forbidden(f"token {token.name} is for {token.scope} alone")


def covers(token: Token, workflow: str | None, pipeline: str | None = None) -> bool:
    """Whether what belongs to that workflow and pipeline is in the token's scope."""
    if token.scope is None:
        return True
    mine, slash, only = token.scope.partition("/")
    return mine == workflow and (not slash or only == pipeline)


class Uses:
    """When tokens were last used, until it is written."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}

    def note(self, token: Token) -> None:
        """It was used now."""
        self._at[token.name] = time.time()

    async def write(self, writer: Writing) -> None:
        """Store what is new. Raises Storage; it is kept then."""
        at, self._at = self._at, {}
        if not at:
            return
        try:
            await writer.submit(lambda conn, _: tokens.used(conn, at))
        except BaseException:
            self._at = {**at, **self._at}
            raise
