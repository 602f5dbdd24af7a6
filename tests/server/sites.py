"""Sites with one route, tokens, and what came of it. Used by the tests of the edge."""

from __future__ import annotations

import json
import socket
import time
from typing import Callable

from aiohttp import web

from tests.server.conftest import Alone
from xene.control import tokens
from xene.server import service
from xene.server.app import App, json_object, raw_body
from xene.server.routes import Handler, Route
from xene.store import db, events, views
from xene.store.tokens import Token


def route(method: str, handle: Handler, role: str | None = None) -> Callable[[App], None]:
    """A site with one route, at /it."""
    return lambda app: app.add(Route(method, "/it", handle, "it", {}, role))


async def length(request: web.Request) -> web.StreamResponse:
    return web.json_response({"length": len(await raw_body(request))})


async def store(request: web.Request) -> web.StreamResponse:
    """Leave an event with the body's name."""
    name = str(json_object(await raw_body(request))["name"])
    await service.service(request).writer.submit(
        lambda conn, now: events.note(conn, now, "Run", name, "Tested")
    )
    return web.json_response({"name": name})


def read_all(sock: socket.socket) -> bytes:
    """Until the other side has closed."""
    found = b""
    while piece := sock.recv(65536):
        found += piece
    return found


def status_of(raw: bytes) -> int:
    return int(raw.split()[1])


def as_json(raw: bytes) -> dict[str, object]:
    return dict(json.loads(raw.partition(b"\r\n\r\n")[2]))


def names(found: Alone) -> list[str]:
    with db.open_for_reading(found.place.state) as state:
        return [row["name"] for row in reversed(views.events(state)) if row["kind"] == "Run"]


def token(found: Alone, role: str = "read", **more: object) -> str:
    made = Token(f"{role}-{time.monotonic_ns()}", role, None, time.time())._replace(**more)  # type: ignore[arg-type]
    return tokens.create(found.place, made)
