"""`xene status --serve`: the live screen in a browser. Each page that is opened is a process of its own.

Called by the command `status`. textual-serve carries keys and drawings over a websocket; who may open one is
`door`'s. What a token of role read opens cannot act: the process is told so by this one, out of the browser's
reach.
"""

from __future__ import annotations

import asyncio
import shlex
import sys
from contextlib import asynccontextmanager
from typing import Any, AsyncIterator, Callable, Sequence

from aiohttp import web
from textual_serve.app_service import AppService
from textual_serve.server import Server, to_int

from xene.errors import Conflict, XeneError
from xene.tui import pages, served
from xene.tui.door import TOKEN, Door, scheme

SCREENS = 32  # that may be open at a time: each is a process of some 50 MB
LOOK = 2.0  # seconds between looks at whether the token of an open screen is still good
GRACE = 5.0  # seconds that a screen has to end by itself
WIDEST, TALLEST = 1000, 500  # columns and lines; what a browser may ask for


class Screen(AppService):
    """One open page: `xene status` over `state` with these `words`, and the rights of `role`."""

    def __init__(self, state: str, role: str, words: Sequence[str] = (), **given: Any) -> None:
        command = [sys.executable, "-m", "xene", "status", "--state", state, *words]
        super().__init__(shlex.join(command), **given)
        self._role = role

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        """What is said of this terminal's colours says nothing of the browser's."""
        found = {
            **super()._build_environment(width, height),
            served.VARIABLE: self._role,
            "TEXTUAL_FPS": "30",
        }
        found.pop("NO_COLOR", None)
        return found

    async def start(self, width: int, height: int) -> None:
        await super().start(*_bounded(width, height))

    async def set_terminal_size(self, width: int, height: int) -> None:
        await super().set_terminal_size(*_bounded(width, height))

    async def stop(self) -> None:
        """Have it end, by force if it does not; it has ended when this returns."""
        asked = asyncio.ensure_future(super().stop())
        await asyncio.wait([asked], timeout=GRACE)
        if self._process is not None:
            if not asked.done() and self._process.returncode is None:
                self._process.kill()
            await self._process.wait()


def _bounded(width: int, height: int) -> tuple[int, int]:
    return max(1, min(int(width), WIDEST)), max(1, min(int(height), TALLEST))


class Site(Server):
    """The pages: a login, the terminal, what it loads, the websocket."""

    def __init__(
        self, state: str, host: str, port: int, say: Callable[[str], None], words: Sequence[str] = ()
    ) -> None:
        super().__init__("xene status", host=host, port=port, title="xene status")
        self._state, self._say, self._words = state, say, words
        self._door = Door(state)
        self._open: set[web.WebSocketResponse] = set()

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._door.middleware())
        return app

    async def on_startup(self, _: web.Application) -> None:
        """Nothing is said yet: nobody listens so far."""

    async def on_shutdown(self, _: web.Application) -> None:
        """Have all screens closed, instead of waiting for the browsers to do it."""
        for websocket in list(self._open):
            await websocket.close(code=1001, message=b"the server ends")

    def said_to_run(self, *_: object) -> None:
        """It listens."""
        self._say(f"the screen is at {self.public_url}; Ctrl-C ends it")

    async def handle_index(self, request: web.Request) -> web.Response:
        """The terminal, with the address by which this browser came here: it may be behind a proxy or a tunnel."""
        websocket = f"ws{scheme(request).removeprefix('http')}://{request.host}/ws"
        size = to_int(request.query.get("fontsize", "16"), 16)
        return web.Response(text=pages.terminal(websocket, size), content_type="text/html")

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """A screen, until the browser or it goes away, or its token."""
        if len(self._open) >= SCREENS:
            raise web.HTTPServiceUnavailable(text=f"{SCREENS} screens are open already")
        websocket = web.WebSocketResponse(heartbeat=15)
        await websocket.prepare(request)
        async with self._screen(request, websocket) as screen:
            try:
                await self._process_messages(websocket, screen)
            except (AssertionError, AttributeError, LookupError, TypeError, ValueError):
                await websocket.close(code=1007, message=b"that is nothing that a terminal says")
        return websocket

    @asynccontextmanager
    async def _screen(self, request: web.Request, websocket: web.WebSocketResponse) -> AsyncIterator[Screen]:
        screen = Screen(
            self._state,
            request[TOKEN].role,
            self._words,
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=websocket.close,
            download_manager=self.download_manager,
        )
        size = [to_int(request.query.get(key, ""), less) for key, less in (("width", 80), ("height", 24))]
        self._open.add(websocket)
        watch = asyncio.create_task(self._watch(request, websocket))
        try:
            await screen.start(*size)
            yield screen
        finally:
            watch.cancel()
            await screen.stop()
            self._open.discard(websocket)

    async def _watch(self, request: web.Request, websocket: web.WebSocketResponse) -> None:
        """Close the screen once its token is not what it was."""
        while await self._is_good(request):
            await asyncio.sleep(LOOK)
        await websocket.close(code=1008, message=b"the token is not good any more")

    async def _is_good(self, request: web.Request) -> bool:
        try:
            found = await self._door.of(request)
        except XeneError:
            return (
                True  # nobody has said that it was taken back; the screen itself says that the state is away
            )
        return found is not None and found.role == request[TOKEN].role


def serve(state: str, host: str, port: int, say: Callable[[str], None], words: Sequence[str] = ()) -> None:
    """Serve until Ctrl-C or SIGTERM, screens that get these words too. Raises Conflict where nobody may listen."""
    site = Site(state, host, port, say, words)
    try:
        web.run_app(
            site._make_app(), host=host or None, port=port, print=site.said_to_run, handle_signals=True
        )
    except OSError as error:
        raise Conflict(
            f"{host}:{port} cannot be listened on: {error.strerror or error}", hint="another port"
        ) from None
