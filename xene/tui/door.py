"""Who may see the live screen in a browser: a token is asked for once, then a cookie stands for it.

Used by `serving`. The token is looked up anew with every request, and again and again while a screen is open: one
that was taken back shows nothing more. A page of another site can neither read the cookie nor use it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from xene.control import tokens as credentials
from xene.errors import XeneError
from xene.store import db
from xene.store.tokens import ADMIN, READ, Token
from xene.tui import pages

COOKIE = "xene_status"
LASTS = 12 * 3600.0  # seconds that a login is good for
MOST = 1000  # logins that are kept; the oldest go first
TOKEN = web.RequestKey("token", Token)

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self'"
    " 'unsafe-inline'; img-src 'self' data:; connect-src 'self' ws: wss:; frame-ancestors 'none';"
    " form-action 'self'",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser says of its own form that it comes from "null"
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


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
        word, until = self._logins.get(request.cookies.get(COOKIE, ""), ("", 0.0))
        return await self.token(word) if time.time() < until else None

    def middleware(self) -> Middleware:
        """Nothing is answered but to who has logged in; the others are asked for a token."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not is_own(request):
                return _says("another site asked for this", 403)
            try:
                return await self._guarded(request, handler)
            except XeneError as error:
                return _says(f"the state cannot be read: {error.message}", 503)

        return guard

    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/login" and request.method == "POST":
            return await self._login(request)
        found = await self.of(request)
        if found is None:
            return _asks("", 401)
        request[TOKEN] = found
        response = await handler(request)
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    async def _login(self, request: web.Request) -> web.StreamResponse:
        word = str((await request.post()).get("token", "")).strip()
        if await self.token(word) is None:
            return _asks("That token is not known, has expired, or is for something else.", 403)
        cookie = secrets.token_urlsafe(32)
        self._logins[cookie] = (word, time.time() + LASTS)
        for oldest in list(self._logins)[:-MOST]:
            del self._logins[oldest]
        response = web.Response(status=303, headers={**_HEADERS, "Location": "/"})
        secure = scheme(request) == "https"
        response.set_cookie(
            COOKIE, cookie, httponly=True, samesite="Strict", secure=secure, max_age=int(LASTS)
        )
        return response


def scheme(request: web.Request) -> str:
    """How the browser came here: by what a proxy in front says, else as it is."""
    return request.headers.get("X-Forwarded-Proto", request.scheme)


def is_own(request: web.Request) -> bool:
    """Whether no page of another site has made the browser ask."""
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


def _asks(complaint: str, status: int) -> web.Response:
    text = pages.login(complaint)
    return web.Response(status=status, text=text, content_type="text/html", headers=_HEADERS)


def _says(words: str, status: int) -> web.Response:
    return web.Response(status=status, text=words, headers=_HEADERS)
