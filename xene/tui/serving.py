"""`xene status --serve`: the live screen in a browser. Each page that is opened is a process of its own.

Called by the command `status`. textual-serve carries keys and drawings over a websocket; who may open one is
`door`'s. What a token of role read opens cannot act: the process is told so by this one, out of the browser's
reach.
"""

from __future__ import annotations

import shlex
import sys
from typing import Any, Callable

import aiohttp_jinja2
from aiohttp import web
from textual_serve.app_service import AppService
from textual_serve.server import Server, to_int

from xene.errors import Conflict
from xene.tui.door import TOKEN, Door, scheme

SERVED = "XENE_STATUS_SERVED"  # in the environment of a screen in a browser: the role of the token


class Screen(AppService):
    """One open page: `xene status` over `state`, with the rights of `role`."""

    def __init__(self, state: str, role: str, **given: Any) -> None:
        super().__init__(shlex.join([sys.executable, "-m", "xene", "status", "--state", state]), **given)
        self._role = role

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        return {**super()._build_environment(width, height), SERVED: self._role, "TEXTUAL_FPS": "30"}


class Site(Server):
    """The pages: a login, the terminal, what it loads, the websocket."""

    def __init__(self, state: str, host: str, port: int, say: Callable[[str], None]) -> None:
        super().__init__("xene status", host=host, port=port, title="xene status")
        self._state, self._say = state, say
        self._door = Door(state)

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._door.middleware())
        return app

    async def on_startup(self, _: web.Application) -> None:
        self._say(f"the screen is at {self.public_url}; Ctrl-C ends it")

    @aiohttp_jinja2.template("app_index.html")
    async def handle_index(self, request: web.Request) -> dict[str, Any]:
        """The terminal, with addresses by which this browser came here: it may be behind a proxy or a tunnel."""
        here = f"{scheme(request)}://{request.host}"
        return {
            "font_size": to_int(request.query.get("fontsize", "16"), 16),
            "app_websocket_url": f"ws{here[4:]}/ws",
            "config": {"static": {"url": f"{here}/static/"}},
            "application": {"name": self.title},
        }

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """A screen, until the browser or it goes away."""
        websocket = web.WebSocketResponse(heartbeat=15)
        await websocket.prepare(request)
        screen = Screen(
            self._state,
            request[TOKEN].role,
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=websocket.close,
            download_manager=self.download_manager,
        )
        width, height = (
            to_int(request.query.get(key, ""), less) for key, less in (("width", 80), ("height", 24))
        )
        await screen.start(width, height)
        try:
            await self._process_messages(websocket, screen)
        finally:
            await screen.stop()
        return websocket


def serve(state: str, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM. Raises Conflict where nobody may listen there."""
    site = Site(state, host, port, say)
    try:
        web.run_app(site._make_app(), host=host or None, port=port, print=None, handle_signals=True)
    except OSError as error:
        raise Conflict(
            f"{host}:{port} cannot be listened on: {error.strerror or error}", hint="another port"
        ) from None
