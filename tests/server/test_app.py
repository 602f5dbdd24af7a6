"""The edge itself: bodies, slow and vanishing clients, errors as JSON, a state in trouble. No controller."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest
from aiohttp import web

from tests.fleet import until
from tests.server.conftest import Caller, alone
from tests.server.sites import as_json, length, names, read_all, route, status_of, store, token
from xene.server import app as application
from xene.server import companion, connections, health, site, writer
from xene.server.app import MOST, App

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
