"""One listening socket: connections beyond a limit are told so and closed, and TLS may take only so long."""

from __future__ import annotations

import asyncio
import socket
import ssl

from aiohttp import web

MOST = 512  # connections at once: a process has 1,024 files as a rule, and agents and readers need some
HANDSHAKE = 10.0  # seconds
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 56\r\n"
    b'Retry-After: 1\r\nConnection: close\r\n\r\n{"error": "too many connections", "code": "busy-server"}'
)


class Connections(web.BaseSite):
    """`sock` is bound and listens; it is closed by `stop`."""

    def __init__(self, runner: web.AppRunner, sock: socket.socket, secure: ssl.SSLContext | None) -> None:
        super().__init__(runner, ssl_context=secure)
        self._sock = sock

    @property
    def name(self) -> str:
        """Where it listens."""
        return str(self._sock.getsockname())

    async def start(self) -> None:
        """Take connections."""
        await super().start()
        self._server = await asyncio.get_running_loop().create_server(
            self._protocol,
            sock=self._sock,
            ssl=self._ssl_context,
            ssl_handshake_timeout=HANDSHAKE if self._ssl_context else None,
        )

    def _protocol(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None
        return server() if len(server.connections) < MOST else _Full()


class _Full(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(_FULL)
        transport.close()
