"""Whether who asks is on this host. Called for routes that are open to it without a token.

The address of the socket alone does not tell: a proxy on this host asks for others, and so does a browser on it
that runs a page of a name which leads to 127.0.0.1. So the name that was asked for must be of this host too.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from xene.control.loopback import is_loopback
from xene.server.service import client

PASSED_ON = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via")


def is_of_this_host(request: web.Request) -> bool:
    """By the socket's address, by the name that was asked for, and as no proxy has passed it on."""
    passed_on = any(header in request.headers for header in PASSED_ON)
    return not passed_on and is_loopback(client(request)) and names_loopback(request.headers.get("Host", ""))


def names_loopback(host: str) -> bool:
    """Of a Host header, with a port or without."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or is_loopback(name)
