"""Who may see the live screen in a browser: a token is asked for once, then a cookie stands for it.

Used by `serving`. The token is looked up anew with every request, and again and again while a screen is open: one
that was taken back shows nothing more. A page of another site can neither read the cookie nor use it.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import time
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from xene.control import tokens as credentials
from xene.errors import XeneError
from xene.store import db, tokens
from xene.store.tokens import ADMIN, READ, Token
from xene.tui import pages

COOKIE = "xene_status"
LASTS = 12 * 3600.0  # seconds that a login is good for
MOST = 50  # logins of one token that are kept; the oldest go first
TOKEN = web.RequestKey("token", Token)

_HEADERS = {
    "Referrer-Policy": "same-origin",  # with no-referrer a browser says of its own form that it comes from "null"
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self';"
    " img-src 'self' data:; connect-src {connect}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")


class Door:
    """Logins, by the random word in the cookie: the token that was shown, and until when it is good."""

    def __init__(self, state: str) -> None:
        self._state = state
        self._logins: dict[str, tuple[str, float]] = {}

    async def token(self, word: str) -> Token | None:
        """The token that `word` is, if the screen may be shown to it."""
        found = await asyncio.to_thread(self._look, word)
        return found if found is not None and found.role in (READ, ADMIN) and found.scope is None else None

    def _look(self, word: str) -> Token | None:
        with db.open_for_reading(self._state) as state, state.snapshot() as conn:
            return credentials.check(conn, time.time(), word)

    async def of(self, request: web.Request) -> Token | None:
        """The token with which this browser has logged in, as long as both are good. Raises XeneError."""
        word, until = self._logins.get(request.cookies.get(cookie(request), ""), ("", 0.0))
        return await self.token(word) if time.time() < until else None

    def middleware(self) -> Middleware:
        """Nothing is answered but to who has logged in; the others are asked for a token."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                response = await self._answer(request, handler)
            except web.HTTPException as answer:
                answer.headers.update(headers(request))
                raise
            if not response.prepared:
                response.headers.update(headers(request))
            return response

        return guard

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_own(request):
            return web.Response(status=403, text="another site asked for this")
        try:
            return await self._guarded(request, handler)
        except XeneError as error:
            return web.Response(status=503, text=f"the state cannot be read: {error.message}")

    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/login" and request.method == "POST":
            return await self._login(request)
        if request.path == "/logout" and request.method == "POST":
            return self._logout(request)
        found = await self.of(request)
        if found is None:
            return _asks("", 401)
        request[TOKEN] = found
        return await handler(request)

    async def _login(self, request: web.Request) -> web.StreamResponse:
        word = str((await request.post()).get("token", "")).strip()
        if await self.token(word) is None:
            return _asks("That token is not known, has expired, or is for something else.", 403)
        login = secrets.token_urlsafe(32)
        self._keep(login, word)
        response = web.Response(status=303, headers={"Location": "/"})
        secure = scheme(request) == "https"
        response.set_cookie(
            cookie(request), login, httponly=True, samesite="Strict", secure=secure, max_age=int(LASTS)
        )
        return response

    def _keep(self, login: str, word: str) -> None:
        """Whoever has one token cannot take the places of the others' logins."""
        self._logins = {each: of for each, of in self._logins.items() if time.time() < of[1]}
        self._logins[login] = (word, time.time() + LASTS)
        for oldest in [each for each, of in self._logins.items() if of[0] == word][:-MOST]:
            del self._logins[oldest]

    def _logout(self, request: web.Request) -> web.StreamResponse:
        """Its open screens see it, too."""
        self._logins.pop(request.cookies.get(cookie(request), ""), None)
        response = web.Response(status=303, headers={"Location": "/"})
        response.del_cookie(cookie(request))
        return response

    async def used(self, token: Token) -> None:
        """Write that the token is used now, if this state may be written to. Raises XeneError."""
        if os.access(self._state, os.W_OK):
            await asyncio.to_thread(self._write_use, token)

    def _write_use(self, token: Token) -> None:
        with db.open_state(self._state, create=False) as state, state.transaction() as conn:
            tokens.used(conn, {token.name: time.time()})


def cookie(request: web.Request) -> str:
    """The name of the cookie: browsers do not tell the ports of a host apart, behind which other states may be."""
    _, colon, port = request.host.rpartition(":")
    return f"{COOKIE}_{port}" if colon and port.isdigit() else COOKIE


def scheme(request: web.Request) -> str:
    """How the browser came here, http or https: by what the first proxy in front says, else as it is."""
    said = request.headers.get("X-Forwarded-Proto", "").partition(",")[0].strip().lower()
    return said if said in ("http", "https") else request.scheme


def is_own(request: web.Request) -> bool:
    """Whether no page of another site has made the browser ask."""
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


def headers(request: web.Request) -> dict[str, str]:
    """What each answer says of itself. For some browsers 'self' is no websocket: that is named by its host."""
    host = request.host
    connect = f"'self' ws://{host} wss://{host}" if _HOST.fullmatch(host) else "'self'"
    return {**_HEADERS, "Content-Security-Policy": _POLICY.format(connect=connect)}


def _asks(complaint: str, status: int) -> web.Response:
    return web.Response(status=status, text=pages.login(complaint), content_type="text/html")
