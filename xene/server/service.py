"""What handlers work with: the writer, the readers, and where things are. One for each controller at work."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Callable

from aiohttp import web

from xene.control.measure import Measure
from xene.control.place import Place
from xene.server.auth import Uses
from xene.server.limits import PER_CALLER, REFUSALS, Limit
from xene.server.readers import Readers
from xene.server.values import Values
from xene.server.writer import Writer
from xene.store.tokens import Token


@dataclass
class Service:
    """`nudge` has the controller look at the state; `say` writes a line of its log; `measure` counts what it does.

    `closing` is set when no more is to be begun: what would take long is to be cut off.
    """

    place: Place
    uuid: str
    nudge: Callable[[], None]
    say: Callable[[str], None]
    writer: Writer
    readers: Readers
    measure: Measure
    uses: Uses = field(default_factory=Uses)
    by_address: Limit = field(default_factory=lambda: Limit(PER_CALLER))
    by_token: Limit = field(default_factory=lambda: Limit(PER_CALLER))
    refusals: Limit = field(default_factory=lambda: Limit(REFUSALS))
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    values: Values = field(init=False)

    def __post_init__(self) -> None:
        self.values = Values(self.place.home, self.say)


SERVICE: web.AppKey[Service] = web.AppKey("service", Service)
TOKEN: web.RequestKey[Token] = web.RequestKey("token", Token)
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)


def service(request: web.Request) -> Service:
    """That of the request's app."""
    return request.app[SERVICE]


def token(request: web.Request) -> Token:
    """The token with which the request came; only on a route that has a role."""
    return request[TOKEN]


def client(request: web.Request) -> str:
    """The address of who asks, as the socket has it: no header is believed."""
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return str(peer[0]) if peer else ""
