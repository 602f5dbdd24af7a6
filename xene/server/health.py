"""Whether the controller lives (`/healthz`), and whether it can take work (`/readyz`). For probes: no token."""

from __future__ import annotations

import asyncio

from aiohttp import web

from xene.server import shapes
from xene.server.refusals import Busy
from xene.server.routes import Answer, Route
from xene.server.service import service

SOON = 2.0  # seconds within which the state must take a write

_STATUS = shapes.things(status=shapes.words("ok"))


def routes() -> list[Route]:
    """The routes of this page."""
    fine = {200: Answer("It is.", _STATUS)}
    return [
        Route("GET", "/healthz", _health, "Whether the controller answers", fine),
        Route("GET", "/readyz", _ready, "Whether the state can be read and written", fine),
    ]


async def _health(_: web.Request) -> web.StreamResponse:
    return web.json_response({"status": "ok"})


async def _ready(request: web.Request) -> web.StreamResponse:
    """A transaction that writes nothing tells whether others hold the state. Raises Busy, Storage."""
    try:
        async with asyncio.timeout(SOON):
            await service(request).writer.submit(
                lambda conn, _: conn.execute("SELECT 1 FROM meta").fetchone()
            )
    except TimeoutError:
        raise Busy("the state takes no writes just now", retry_after=1, code="storage") from None
    return web.json_response({"status": "ok"})
