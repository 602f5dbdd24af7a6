"""The edge itself: bodies, slow and vanishing clients, errors as JSON, limits, TLS, the end. No controller."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import sqlite3
import ssl
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable

import pytest
from aiohttp import web

from tests.fleet import until
from tests.server.conftest import Alone, Answer, Caller, alone
from xene.control import tokens
from xene.errors import Usage
from xene.server import app as application
from xene.server import companion, connections, health, service, site, writer
from xene.server.app import MOST, App, json_object, raw_body
from xene.server.companion import Listening
from xene.server.limits import Limit, Rate
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


# -- bodies


def test_a_body_at_the_limit_is_taken_and_one_over_it_is_not(tmp_path: Path) -> None:
    with alone(tmp_path, route("POST", length)) as found:
        assert found.call.post("/it", bytes(MOST)).json == {"length": MOST}
        answer = found.call.post("/it", bytes(MOST + 1))
        assert (answer.status, answer.json["code"]) == (413, "too-large")


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(companion, "LINGER", 0.1)
    with alone(tmp_path, route("POST", length)) as found, found.call.connect() as sock:
        head = f"POST /it HTTP/1.1\r\nHost: x\r\nContent-Length: {10**12}\r\n"
        sock.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        answer = read_all(sock)
        assert b"100 Continue" not in answer
        assert status_of(answer) == 413


def test_a_client_that_waits_for_the_word_may_send(tmp_path: Path) -> None:
    with alone(tmp_path, route("POST", length)) as found, found.call.connect() as sock:
        sock.sendall(b"POST /it HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 100 Continue")
        sock.sendall(b"abc")
        assert status_of(sock.recv(1000)) == 200


def test_chunks_without_end_are_cut_off_at_the_limit(tmp_path: Path) -> None:
    with alone(tmp_path, route("POST", length)) as found, found.call.connect() as sock:
        sock.sendall(b"POST /it HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
        for _ in range(MOST // 0x10000 + 1):
            sock.sendall(chunk)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += sock.recv(1000)
        assert status_of(answer) == 413


def test_a_compressed_body_is_not_unpacked(tmp_path: Path) -> None:
    with alone(tmp_path, route("POST", length)) as found:
        answer = found.call.post("/it", b"\x1f\x8b", Content_Encoding="gzip")
        assert (answer.status, answer.json["code"]) == (415, "unsupported-encoding")


@pytest.mark.parametrize(
    "body",
    [b"{", b"[1]", b'"x"', b'{"a": NaN}', b"\xff\xfe", b'{"a": "\\ud800"}', b"[" * 100_000, b"1" * 5000],
)
def test_a_body_that_is_no_json_object_is_400(tmp_path: Path, body: bytes) -> None:
    with alone(tmp_path, route("POST", store)) as found:
        answer = found.call.post("/it", body)
        assert (answer.status, answer.json["code"]) == (400, "bad-body")


# -- slow ones, and those that go


def test_headers_that_never_end_are_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slowloris: a byte now and then keeps no connection."""
    monkeypatch.setattr(companion, "IDLE", 0.4)
    with alone(tmp_path) as found, found.call.connect() as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\n")
        sock.settimeout(0.1)
        began, closed = time.monotonic(), False
        while not closed:
            assert time.monotonic() - began < 20, "it is held open for ever"
            try:
                sock.sendall(b"X-A: b\r\n")
                closed = sock.recv(100) == b""
            except TimeoutError:
                continue
            except OSError:
                closed = True


def test_a_connection_that_asks_nothing_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(companion, "IDLE", 0.2)
    with alone(tmp_path) as found, found.call.connect() as sock:
        assert read_all(sock) == b""


def test_a_body_that_does_not_come_is_408(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(companion, "LINGER", 0.1)
    with alone(tmp_path, route("POST", store)) as found, found.call.connect() as sock:
        sock.sendall(b"POST /it HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
        assert status_of(read_all(sock)) == 408
        assert found.call.post("/it", {"name": "n"}).status == 200, "others are served"


def test_a_client_that_hangs_up_in_its_body_leaves_nothing(tmp_path: Path) -> None:
    with alone(tmp_path, route("POST", store)) as found:
        with found.call.connect() as sock:
            sock.sendall(b'POST /it HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{"name": "half"')
        assert found.call.post("/it", {"name": "whole"}).status == 200
        assert names(found) == ["whole"]


def test_more_connections_than_it_holds_are_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST", 2)
    with alone(tmp_path) as found:
        held = [found.call.connect() for _ in range(2)]
        try:
            for sock in held:
                sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                assert status_of(sock.recv(1000)) == 200
            with found.call.connect() as sock:
                answer = read_all(sock)
            assert status_of(answer) == 503 and as_json(answer)["code"] == "busy-server"
        finally:
            for sock in held:
                sock.close()
        until(lambda: found.call.get("/healthz").status == 200, "room for others")


def names(found: Alone) -> list[str]:
    with db.open_for_reading(found.place.state) as state:
        return [row["name"] for row in reversed(views.events(state)) if row["kind"] == "Run"]


# -- errors


def test_errors_are_json_with_a_code_and_the_requests_id(tmp_path: Path) -> None:
    with alone(tmp_path) as found:
        answer = found.call.get("/nope", X_Request_Id="my-id.7")
        assert answer.status == 404 and answer.headers["X-Request-Id"] == "my-id.7"
        assert answer.json["code"] == "no-such-route" and answer.json["requestId"] == "my-id.7"
        answer = found.call("DELETE", "/v1/runs")
        assert (answer.status, answer.headers["Allow"], answer.json["code"]) == (
            405,
            "GET",
            "method-not-allowed",
        )


def test_an_id_that_could_forge_the_log_is_replaced(tmp_path: Path) -> None:
    with alone(tmp_path) as found:
        given = found.call.get("/healthz", X_Request_Id="a b;c").headers["X-Request-Id"]
        assert given != "a b;c" and len(given) == 16


def test_a_bug_is_told_to_the_log_and_not_to_who_asked(tmp_path: Path) -> None:
    async def bug(_: web.Request) -> web.StreamResponse:
        raise KeyError("private words")

    with alone(tmp_path, route("GET", bug)) as found:
        answer = found.call.get("/it")
        assert (answer.status, answer.json["code"]) == (500, "internal")
        assert b"private" not in answer.body and b"Traceback" not in answer.body
        (line,) = [line for line in found.said if "a bug" in line]
        assert "private words" in line and answer.headers["X-Request-Id"] in line


def test_what_is_no_http_is_refused(tmp_path: Path) -> None:
    with alone(tmp_path) as found, found.call.connect() as sock:
        sock.sendall(b"\x16\x03\x01\x00\xa5nonsense\r\n\r\n")
        assert status_of(read_all(sock)) == 400


# -- who asks, and how often


def token(found: Alone, role: str = "read", **more: object) -> str:
    made = Token(f"{role}-{time.monotonic_ns()}", role, None, time.time())._replace(**more)  # type: ignore[arg-type]
    return tokens.create(found.place, made)


def test_no_token_a_wrong_one_an_expired_one_a_removed_one(tmp_path: Path) -> None:
    with alone(tmp_path) as found:
        answer = found.call.get("/v1/runs")
        assert answer.status == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer")
        good = token(found, name="mine")
        ask = Caller(found.call.url, good)
        assert ask.get("/v1/runs").json == []
        spoilt = good[:-1] + ("A" if good[-1] != "A" else "B")
        for word in (spoilt, "xene_x_y", "", "é", token(found, expires_at=time.time() - 1)):
            assert found.call.get("/v1/runs", Authorization=f"Bearer {word}").status == 401, word
        assert found.call.get("/v1/runs", Authorization=f"Basic {good}").status == 401
        tokens.remove(found.place, "mine")
        assert ask.get("/v1/runs").status == 401


def test_roles_are_apart_and_admin_is_all(tmp_path: Path) -> None:
    with alone(tmp_path) as found:
        statuses = {
            role: [
                ask.get("/v1/runs").status,
                ask.post("/v1/runs/20261123-023000-k7q2m4xa/cancel").status,
            ]
            for role in ("trigger", "read", "admin")
            for ask in [Caller(found.call.url, token(found, role))]
        }
        assert statuses == {"trigger": [403, 403], "read": [200, 403], "admin": [200, 404]}


def test_the_state_holds_no_token(tmp_path: Path) -> None:
    with alone(tmp_path) as found:
        word = token(found)
        with db.open_for_reading(found.place.state) as state:
            rows = state.conn.execute("SELECT * FROM tokens").fetchall()
    secret = word.split("_", 2)[2]
    assert secret and not any(secret in str(value) for row in rows for value in row)


def test_the_last_use_is_written_once_for_many_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with alone(tmp_path) as found:
        ask = Caller(found.call.url, token(found, name="mine"))
        before = used(found)
        for _ in range(5):
            assert ask.get("/v1/runs").status == 200
        assert used(found) == before == None  # noqa: E711 - nothing was written yet
    assert used(found) is not None, "it is written at the end, and now and then before"


def used(found: Alone) -> str | None:
    with db.open_for_reading(found.place.state) as state:
        return str(row["lastUsedAt"]) if (row := views.tokens(state, name="mine")[0])["lastUsedAt"] else None


def test_who_asks_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    def slow(app: App) -> None:
        route("GET", fine, "read")(app)
        app.service.by_token = Limit(Rate(each=0.1, burst=3.0))

    async def fine(_: web.Request) -> web.StreamResponse:
        return web.json_response({})

    with alone(tmp_path, slow) as found:
        ask, other = (Caller(found.call.url, token(found)) for _ in range(2))
        answers = [ask.get("/it") for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        assert int(answers[-1].headers["Retry-After"]) >= 1
        assert other.get("/it").status == 200, "another token has tries of its own"


def test_an_address_that_asks_too_often(tmp_path: Path) -> None:
    def slow(app: App) -> None:
        route("GET", length)(app)
        app.service.by_address = Limit(Rate(each=0.1, burst=2.0))

    with alone(tmp_path, slow) as found:
        assert [found.call.get("/it").status for _ in range(3)] == [200, 200, 429]


def test_tokens_tried_in_vain_hold_up_no_good_one(tmp_path: Path) -> None:
    def strict(app: App) -> None:
        route("GET", length, "read")(app)
        app.service.refusals = Limit(Rate(each=0.1, burst=2.0))

    with alone(tmp_path, strict) as found:
        bad = Caller(found.call.url, "xene_nonsense")
        assert [bad.get("/it").status for _ in range(3)] == [401, 401, 429]
        assert Caller(found.call.url, token(found)).get("/it").status == 200


# -- trouble with the state


def test_a_state_that_is_held_by_another_is_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading goes on, nothing is stored, and when it is free again all is as before."""
    monkeypatch.setattr(writer, "PATIENCE", 0.1)

    def both(app: App) -> None:
        site.fill(app)
        route("POST", store)(app)

    with alone(tmp_path, both) as found:
        ask, other = (
            Caller(found.call.url, token(found)),
            sqlite3.connect(found.place.state, isolation_level=None),
        )
        assert ask.get("/readyz").status == 200
        try:
            other.execute("BEGIN IMMEDIATE")
            assert ask.get("/v1/runs").status == ask.get("/healthz").status == 200
            for answer in (ask.get("/readyz"), ask.post("/it", {"name": "a"})):
                assert (answer.status, answer.json["code"]) == (
                    503,
                    "storage",
                ) and "Retry-After" in answer.headers
            other.execute("ROLLBACK")
        finally:
            other.close()
        assert ask.get("/readyz").status == 200
        assert ask.post("/it", {"name": "b"}).status == 200
        assert names(found) == ["b"]


def test_not_ready_is_said_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the writer waits for the state."""
    monkeypatch.setattr(health, "SOON", 0.1)
    with alone(tmp_path) as found:
        other = sqlite3.connect(found.place.state, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            answer = found.call.get("/readyz")
            assert (answer.status, answer.json["code"]) == (503, "storage")
            other.execute("ROLLBACK")
        finally:
            other.close()
        until(lambda: found.call.get("/readyz").status == 200, "it to be ready again")


# -- the end, and TLS


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
