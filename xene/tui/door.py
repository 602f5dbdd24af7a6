"""Who may see the live screen in a browser: a token is asked for once, then a cookie stands for it.

Used by `serving`. The token is looked up anew with every request and every screen that is opened, so that one that
was taken back opens nothing more; a screen that is open goes on until it is closed. A page of another site can
neither read the cookie nor open a screen with it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from xene.control import tokens as credentials
from xene.store import db
from xene.store.tokens import ADMIN, READ, Token

COOKIE = "xene_status"
LASTS = 12 * 3600.0  # seconds that a login is good for
MOST = 1000  # logins that are kept; the oldest go first
TOKEN = web.RequestKey("token", Token)

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>xene status</title><style>
body { font: 16px/1.5 ui-monospace, monospace; background: #121212; color: #e0e0e0; display: grid;
  place-items: center; min-height: 90vh }
input, button { font: inherit; padding: .4em; width: 100%%; box-sizing: border-box; margin-top: .5em }
p { max-width: 36em }
</style></head><body><form method="post" action="/login"><p>%s</p>
<input type="password" name="token" autofocus autocomplete="current-password" placeholder="xene_..."
  aria-label="token">
<button>Show the screen</button></form></body></html>
"""
_ASK = "A token is wanted: <code>xene token create NAME --role read</code>, or admin to act too."
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self'"
    " 'unsafe-inline'; img-src 'self' data:; connect-src 'self' ws: wss:; frame-ancestors 'none';"
    " form-action 'self'",
    "Referrer-Policy": "no-referrer",
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

    async def _of(self, request: web.Request) -> Token | None:
        word, until = self._logins.get(request.cookies.get(COOKIE, ""), ("", 0.0))
        return await self.token(word) if time.time() < until else None

    def middleware(self) -> Middleware:
        """Nothing is answered but to who has logged in; the others are asked for a token."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path == "/login" and request.method == "POST":
                return await self._login(request)
            if not is_own(request):
                return web.Response(status=403, text="another site asked for this", headers=_HEADERS)
            found = await self._of(request)
            if found is None:
                return _asks(_ASK, 401)
            request[TOKEN] = found
            response = await handler(request)
            if not response.prepared:
                response.headers.update(_HEADERS)
            return response

        return guard

    async def _login(self, request: web.Request) -> web.StreamResponse:
        if not is_own(request):
            return web.Response(status=403, text="another site asked for this", headers=_HEADERS)
        word = str((await request.post()).get("token", "")).strip()
        if await self.token(word) is None:
            return _asks("That token is not known, has expired, or is for something else. " + _ASK, 403)
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


def _asks(words: str, status: int) -> web.Response:
    return web.Response(status=status, text=_PAGE % words, content_type="text/html", headers=_HEADERS)
