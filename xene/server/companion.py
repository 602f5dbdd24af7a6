"""HTTP beside a controller at work: its thread, its loop, its sockets. Started and stopped by `control.daemon`.

While a controller stands by there is none of this. Stopping drains: no new connections, what is being answered is
finished, logs that somebody follows are cut off.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import Any, Callable

from aiohttp import web

from xene.control.daemon import Context
from xene.errors import Usage, XeneError
from xene.server import site
from xene.server.app import App
from xene.server.auth import EVERY
from xene.server.connections import Connections
from xene.server.readers import Readers
from xene.server.service import Service
from xene.server.writer import Writer

DRAIN = 10.0  # seconds that answers under way may take at the end
IDLE = 30.0  # seconds that a connection may ask nothing, or be in the middle of its headers
AGAIN = 0.5  # seconds until an address that cannot be had yet is tried again
LINGER = 2.0  # seconds that the rest of a refused body is read, so that the answer arrives


@dataclass(frozen=True)
class Listening:
    """Where to listen: `port` 0 is any. `cert` and `key` are paths of PEM files, "" for no TLS."""

    host: str
    port: int
    cert: str = ""
    key: str = ""


class Server:
    """A companion of the controller. `say` writes lines of the controller's log."""

    def __init__(
        self, listening: Listening, say: Callable[[str], None], fill: Callable[[App], None] = site.fill
    ) -> None:
        self._listening, self._say, self._fill = listening, say, fill
        self.failed: Exception | None = None
        self.url = ""
        self._tls = tls(listening)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()

    # -- what the controller calls

    def start(self, context: Context) -> None:
        """Listen. Raises Usage where the address cannot be had; after a take-over it is tried until it can."""
        service = Service(
            context.place,
            context.uuid,
            context.nudge,
            self._say,
            Writer(context.place.state, context.nudge),
            Readers(context.place.state),
            context.measure,
        )
        sockets = self._bind(patient=context.took_over)
        self._thread = threading.Thread(
            target=self._serve, args=(service, sockets), name="xene-http", daemon=True
        )
        self._thread.start()
        self._ready.wait()
        if self.failed is not None:
            raise self.failed

    def _bind(self, *, patient: bool) -> list[socket.socket]:
        """The sockets. A controller that hangs, of which another one took over, still has those of its own."""
        try:
            return bind(self._listening)
        except Usage as error:
            if not patient:
                raise
            self._say(f"cannot listen yet: {error.message}")
            return []

    def stop(self) -> None:
        """No new connections; what is being answered is finished, for at most `DRAIN` seconds."""
        thread, loop, stop = self._thread, self._loop, self._stop
        if thread is None:
            return
        if loop is not None and stop is not None and thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        thread.join()

    def reload(self) -> None:
        """Read the certificate again. New connections get it. Raises Usage."""
        if self._tls is not None:
            tls(self._listening)  # what is wrong is found here, before anything is changed
            load(self._tls, self._listening)

    # -- on the loop's thread

    def _serve(self, service: Service, sockets: list[socket.socket]) -> None:
        try:
            asyncio.run(self._answer(service, sockets))
        except Exception as error:  # noqa: BLE001 - the controller looks at it, and ends
            self.failed = error
        finally:
            self._ready.set()
            for each in sockets:
                each.close()

    async def _answer(self, service: Service, sockets: list[socket.socket]) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = App(service)
        self._fill(app)
        service.writer.start()
        service.readers.start()
        runner = web.AppRunner(
            app.web,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=IDLE,
            lingering_time=LINGER,
            shutdown_timeout=DRAIN / 2,  # aiohttp takes it twice: to wait, and to cancel
            auto_decompress=False,
        )
        try:
            await runner.setup()
            if not sockets:
                self._ready.set()
                await self._bind_in_time(sockets, self._stop)
            for each in sockets:
                await Connections(runner, each, self._tls).start()
            if sockets:
                self.url = _url(sockets[0], self._tls)
                self._say(f"listens on {self.url}")
            self._ready.set()
            await self._write_uses(service, self._stop)
        finally:
            await self._end(service, runner)

    async def _bind_in_time(self, sockets: list[socket.socket], stop: asyncio.Event) -> None:
        """Try until the address can be had, or until the end."""
        while not sockets and not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), AGAIN)
            except TimeoutError:
                pass
            try:
                sockets += bind(self._listening)
            except Usage:
                continue  # it was said once, and is so still

    async def _write_uses(self, service: Service, stop: asyncio.Event) -> None:
        """Until the end: now and then write when tokens were used."""
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), EVERY)
            except TimeoutError:
                pass
            try:
                await service.uses.write(service.writer)
            except XeneError as error:
                self._say(f"the last use of tokens could not be written: {error.message}")

    async def _end(self, service: Service, runner: web.AppRunner) -> None:
        service.closing.set()
        await runner.cleanup()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, service.writer.stop)
        await loop.run_in_executor(None, service.readers.stop)


def tls(listening: Listening) -> ssl.SSLContext | None:
    """The TLS of an address, None where it has none. Raises Usage."""
    if not listening.cert:
        return None
    found = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    found.minimum_version = ssl.TLSVersion.TLSv1_2
    load(found, listening)
    return found


def load(context: ssl.SSLContext, listening: Listening) -> None:
    """Read certificate and key from their files. Raises Usage."""
    try:
        context.load_cert_chain(listening.cert, listening.key or None, password=_no_password)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise Usage(
            f"--tls-cert {listening.cert}, --tls-key {listening.key}: {error}",
            hint="PEM files that belong together, readable for this user; the key without a password",
        ) from None


def _no_password() -> str:
    raise ValueError("the key wants a password")


def bind(listening: Listening) -> list[socket.socket]:
    """Sockets that listen on all addresses of the host. Raises Usage."""
    try:
        found = socket.getaddrinfo(
            listening.host, listening.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        sockets: list[socket.socket] = []
        for family, _, _, _, address in dict.fromkeys(found):
            port = sockets[0].getsockname()[1] if sockets else address[1]
            sockets.append(_bound(family, (address[0], port, *address[2:])))
        return sockets
    except OSError as error:
        raise Usage(
            f"--listen {listening.host}:{listening.port}: {error.strerror or error}",
            hint="another address or port; or see who has it: ss -ltnp",
        ) from None


def _bound(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(256)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _url(sock: socket.socket, secure: ssl.SSLContext | None) -> str:
    host, port = sock.getsockname()[:2]
    return f"{'https' if secure else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
