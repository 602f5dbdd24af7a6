"""`xene status --serve`: the live screen in a browser. Each page that is opened is a process of its own.

Called by the command `status`. textual-serve's script carries keys and drawings over a websocket; who may open one
is `door`'s, the process behind it `remote`'s. What a token of role read opens cannot act: the process is told so by
this one, out of the browser's reach.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Callable, Iterable, Sequence

import textual_serve
from aiohttp import web
from textual_serve.download_manager import DownloadManager

from xene.errors import Conflict, XeneError
from xene.store.tokens import Token
from xene.tui import pages
from xene.tui.door import TOKEN, Door
from xene.tui.remote import ODD, Screen

SCREENS = 32  # that may be open at a time: each is a process of some 50 MB
OF_A_TOKEN = 12  # of them, so that one cannot keep all others out
LOOK = 2.0  # seconds between looks at whether the token of an open screen is still good
MESSAGE = 256 * 1024  # bytes of one message of a browser: what is pasted comes in one
FORM = 4096  # bytes of the form with a token
STATICS = os.path.join(os.path.dirname(textual_serve.__file__), "static")


class Site:
    """The pages: a login, the terminal, what it loads, the websocket."""

    def __init__(self, state: str, words: Sequence[str] = ()) -> None:
        self._state, self._words = state, words
        self._door = Door(state)
        self._downloads = DownloadManager()  # AppService wants one; a screen has nothing to download
        self.open: dict[web.WebSocketResponse, Token] = {}

    def app(self) -> web.Application:
        """What answers."""
        app = web.Application(client_max_size=FORM, middlewares=[self._door.middleware()])
        app.add_routes([
            web.get("/", self._terminal),
            web.get("/page.js", self._script),
            web.get("/full", self._full),
            web.get("/ws", self.websocket),
            web.static("/static", STATICS),
        ])  # fmt: skip
        app.on_shutdown.append(self._shut)
        return app

    async def _shut(self, _: web.Application) -> None:
        """Have all screens closed, instead of waiting for the browsers to do it."""
        closing = [each.close(code=1001, message=b"the server ends") for each in self.open if each.prepared]
        await asyncio.gather(*closing)

    async def _terminal(self, request: web.Request) -> web.Response:
        return _page(pages.terminal(_number(request, "fontsize", 16)))

    async def _script(self, _: web.Request) -> web.Response:
        return web.Response(text=pages.SCRIPT, content_type="text/javascript")

    async def _full(self, request: web.Request) -> web.Response:
        """Why there was no screen; nothing, if there is room by now."""
        why = full(self.open.values(), request[TOKEN])
        if not why:
            raise web.HTTPSeeOther("/")
        return _page(pages.notice(why, "Try again"), 503)

    async def websocket(self, request: web.Request) -> web.WebSocketResponse:
        """A screen, until the browser or it goes away, or its token."""
        websocket = web.WebSocketResponse(heartbeat=15, max_msg_size=MESSAGE)
        if full(self.open.values(), request[TOKEN]):
            await websocket.prepare(request)
            await websocket.send_str(json.dumps(["open_url", {"url": "/full", "new_tab": False}]))
            await websocket.close(code=1013, message=b"too many screens")
            return websocket
        self.open[websocket] = request[TOKEN]  # before anything is waited for: who comes meanwhile is counted
        try:
            await websocket.prepare(request)
            await self._show(request, websocket)
        finally:
            del self.open[websocket]
        return websocket

    async def _show(self, request: web.Request, websocket: web.WebSocketResponse) -> None:
        """Carry a screen to its end."""
        screen = Screen(
            self._state,
            request[TOKEN].role,
            self._words,
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=websocket.close,
            download_manager=self._downloads,
        )
        watch = asyncio.create_task(self._watch(request, websocket))
        try:
            await screen.start(_number(request, "width", 80), _number(request, "height", 24))
            await self._hear(websocket, screen)
        finally:
            watch.cancel()
            await screen.stop()

    async def _hear(self, websocket: web.WebSocketResponse, screen: Screen) -> None:
        async for message in websocket:
            try:
                answer = await screen.hear(message.data) if message.type is web.WSMsgType.TEXT else None
            except ODD:
                await websocket.close(code=1007, message=b"that is nothing that a terminal says")
                return
            if answer is not None:
                await websocket.send_str(answer)

    async def _watch(self, request: web.Request, websocket: web.WebSocketResponse) -> None:
        """Close the screen once its token is not what it was."""
        noted = False
        while await self._is_good(request):
            noted = noted or await self._note(request[TOKEN])
            await asyncio.sleep(LOOK)
        await websocket.close(code=1008, message=b"the token is not good any more")

    async def _note(self, token: Token) -> bool:
        """Write that it was used; whether that is done, or to be tried again."""
        try:
            await self._door.used(token)
        except XeneError:
            return False
        return True

    async def _is_good(self, request: web.Request) -> bool:
        """Where the state cannot be read nobody has said that it was taken back; the screen says what is wrong."""
        try:
            found = await self._door.of(request)
        except XeneError:
            return True
        return found is not None and found.role == request[TOKEN].role


def full(open: Iterable[Token], token: Token) -> str:
    """Why there is no room for another screen of this token, "" where there is."""
    names = [each.name for each in open]
    if names.count(token.name) >= OF_A_TOKEN:
        return f"{OF_A_TOKEN} screens are open with this token already. Close one of them."
    if len(names) >= SCREENS:
        return f"{SCREENS} screens are open already, and this host is to bear no more."
    return ""


def _number(request: web.Request, key: str, less: int) -> int:
    try:
        return int(request.query.get(key, less))
    except ValueError:
        return less


def _page(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html")


def serve(state: str, host: str, port: int, say: Callable[[str], None], words: Sequence[str] = ()) -> None:
    """Serve until Ctrl-C or SIGTERM, screens that get these words too. Raises Conflict where nobody may listen."""
    shown = f"[{host}]" if ":" in host else host

    def listens(*_: object) -> None:
        say(f"the screen is at http://{shown}:{port}; Ctrl-C ends it")

    try:
        web.run_app(
            Site(state, words).app(), host=host or None, port=port, print=listens, handle_signals=True
        )
    except OSError as error:
        raise Conflict(
            f"{host}:{port} cannot be listened on: {error.strerror or error}", hint="another port"
        ) from None
