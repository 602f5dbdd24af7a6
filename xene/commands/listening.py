"""`xene controller --listen`: where the HTTP API is served, and that nobody reads tokens on the way.

Called by `controller`. The server itself is imported only where there is one: aiohttp takes 150 ms.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import TYPE_CHECKING, Annotated, NamedTuple, Optional

import typer

from xene.errors import Usage

if TYPE_CHECKING:
    from xene.server.companion import Listening

Listen = Annotated[
    Optional[str],
    typer.Option("--listen", metavar="HOST:PORT", help="Serve webhooks, the API and metrics there."),
]
TlsCert = Annotated[
    Optional[str],
    typer.Option(
        "--tls-cert", metavar="FILE", help="The certificate (PEM), with its chain; read again on SIGHUP."
    ),
]
TlsKey = Annotated[
    Optional[str], typer.Option("--tls-key", metavar="FILE", help="Its key (PEM), without a password.")
]
Insecure = Annotated[
    bool,
    typer.Option(
        "--insecure", help="Listen beyond this host without TLS: whoever is on the way reads the tokens."
    ),
]


class Door(NamedTuple):
    """What the options of `controller` said about listening."""

    listen: str | None
    cert: str | None
    key: str | None
    insecure: bool

    def words(self) -> list[str]:
        """The same as words of a command line, with paths that hold in any directory."""
        found = ["--listen", self.listen] if self.listen is not None else []
        found += ["--tls-cert", os.path.abspath(self.cert)] if self.cert is not None else []
        found += ["--tls-key", os.path.abspath(self.key)] if self.key is not None else []
        return [*found, "--insecure"] if self.insecure else found

    def listening(self) -> Listening | None:
        """The address, None where nothing is to be served. Raises Usage."""
        if self.listen is None:
            if self.cert is not None or self.key is not None or self.insecure:
                raise Usage("--tls-cert, --tls-key and --insecure belong to --listen")
            return None
        if (self.cert is None) != (self.key is None):
            raise Usage("--tls-cert and --tls-key belong together")
        if self.insecure and self.cert is not None:
            raise Usage("--insecure is for listening without TLS")
        host, port = address(self.listen)
        if self.cert is None and not self.insecure and not is_loopback(host):
            raise Usage(
                f"--listen {self.listen}: beyond this host tokens would be sent in the clear",
                hint="--tls-cert FILE --tls-key FILE; or 127.0.0.1 behind a proxy; or --insecure",
            )
        from xene.server.companion import Listening

        paths = [os.path.abspath(path) if path else "" for path in (self.cert, self.key)]
        return Listening(host, port, *paths)


def address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; `:PORT` is every address of this host. Raises Usage."""
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or (":" in bare and bare == host):
        raise Usage(f"--listen {text}: HOST:PORT is wanted", hint="like 127.0.0.1:8080, [::1]:8080 or :8443")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 65536):
        raise Usage(
            f"--listen {text}: '{port}' is no port", hint="a number up to 65535; 0 is any that is free"
        )
    return bare, int(port)


def is_loopback(host: str) -> bool:
    """Whether nobody but this host can reach it. Raises Usage for a name that is none."""
    if not host:
        return False
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Usage(f"--listen {host}: {error.strerror or error}", hint="an address of this host") from None
    return all(ipaddress.ip_address(str(each[4][0]).partition("%")[0]).is_loopback for each in found)
