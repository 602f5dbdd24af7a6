"""Where it listens, TLS, and the end."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from aiohttp import web

from tests.fleet import until
from tests.server.conftest import Alone, Answer, Caller, alone
from tests.server.sites import names, read_all, route, status_of, store
from xene.control.place import Place
from xene.errors import Usage
from xene.server import companion, site
from xene.server.companion import Listening


def test_what_is_being_answered_at_the_end_is_finished(tmp_path: Path) -> None:
    begun, go = threading.Event(), threading.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        begun.set()
        await asyncio.to_thread(go.wait, 20)
        return await store(request)

    with alone(tmp_path, route("POST", slow)) as found:
        answers: list[Answer] = []
        asking = threading.Thread(target=lambda: answers.append(found.call.post("/it", {"name": "late"})))
        asking.start()
        assert begun.wait(20)
        ending = threading.Thread(target=found.server.stop)
        ending.start()
        until(lambda: refuses(found.call), "it to take no more connections")
        go.set()
        ending.join(20)
        asking.join(20)
    assert [answer.status for answer in answers] == [200]
    assert names(found) == ["late"]


def refuses(call: Caller) -> bool:
    try:
        call.connect().close()
        return False
    except OSError:
        return True


def test_after_a_take_over_an_address_in_use_is_waited_for(tmp_path: Path) -> None:
    """The one before may hang, and still have it."""
    with alone(tmp_path) as before:
        host, port = before.call.address
        with pytest.raises(Usage, match="in use"), alone(tmp_path / "other", listening=Listening(host, port)):
            pass
        with alone(tmp_path / "next", listening=Listening(host, port), took_over=True) as found:
            assert "cannot listen yet" in found.said[0] and found.server.url == ""
            before.server.stop()
            until(lambda: found.server.url, "it to listen")
            assert Caller(found.server.url).get("/readyz").status == 200
    with alone(tmp_path / "other") as other:
        with alone(tmp_path / "never", listening=Listening(*other.call.address), took_over=True):
            pass  # asked to stop while it waits


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Listening:
    """A certificate of localhost, and its key."""
    root = tmp_path_factory.mktemp("tls")
    cert, key = root / "cert.pem", root / "key.pem"
    certify(cert, key)
    return Listening("127.0.0.1", 0, str(cert), str(key))


def certify(cert: Path, key: Path, name: str = "localhost") -> None:
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    names = f"subjectAltName=DNS:{name}"
    subject = ["-subj", f"/CN={name}", "-addext", names, "-keyout", str(key), "-out", str(cert), "-days", "2"]
    subprocess.run([*words, *subject], check=True, capture_output=True)


def peer(found: Alone, trusted: str, name: str) -> str:
    """The name in the certificate that is shown, if it is trusted."""
    with found.call.connect() as sock:
        context = ssl.create_default_context(cafile=trusted)
        with context.wrap_socket(sock, server_hostname=name) as secure:
            secure.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert status_of(secure.recv(1000)) == 200
            return name


def test_tls_and_a_certificate_that_is_renewed(tmp_path: Path, pair: Listening) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certify(cert, key)
    listening = Listening("127.0.0.1", 0, str(cert), str(key))
    with alone(tmp_path, listening=listening) as found:
        assert found.server.url.startswith("https://")
        assert peer(found, str(cert), "localhost") == "localhost"
        certify(cert, key, "renewed.example")
        found.server.reload()
        assert peer(found, str(cert), "renewed.example") == "renewed.example"
        shutil.copy(cert, tmp_path / "trusted.pem")
        for words in ("nonsense", Path(pair.cert).read_text()):  # not that of the key
            cert.write_text(words)
            with pytest.raises(Usage, match="tls-cert"):
                found.server.reload()
            assert peer(found, str(tmp_path / "trusted.pem"), "renewed.example") == "renewed.example"
        with found.call.connect() as sock:
            sock.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
            assert not read_all(sock).startswith(b"HTTP"), "nothing is told in the clear"


def test_a_certificate_that_cannot_be_read_is_said_at_once(tmp_path: Path, pair: Listening) -> None:
    for cert, key in ((pair.cert, str(tmp_path / "none")), (pair.key, pair.cert)):
        with pytest.raises(Usage, match="tls-key"):
            companion.Server(Listening("127.0.0.1", 0, cert, key), print)


def test_a_server_that_has_died_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The controller looks at `failed` in every turn, and ends: better none than half a daemon."""
    fail = threading.Event()

    async def broken(*_: object) -> None:
        await asyncio.to_thread(fail.wait, 20)
        raise MemoryError("no more")

    monkeypatch.setattr(companion.Server, "_write_uses", broken)
    place = Place(str(tmp_path / "home" / "state.db"), str(tmp_path / "home"))
    found = Alone(place, site.fill, Listening("127.0.0.1", 0), took_over=False)
    try:
        assert found.call.get("/healthz").status == 200
        fail.set()
        until(lambda: found.server.failed, "it to have died")
    finally:
        fail.set()
        found.server.stop()
    assert isinstance(found.server.failed, MemoryError)
    assert refuses(found.call)
