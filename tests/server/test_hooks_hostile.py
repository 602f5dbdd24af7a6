"""Whatever is sent to a webhook by somebody without the secret: an answer, no run, and no bug in the log."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.control.conftest import Host, agent, pipeline, workflow
from tests.control.scripted import Fleet
from tests.server.conftest import Alone, alone
from tests.server.sites import read_all, status_of
from xene.control.place import Place
from xene.model.trigger import VERIFIES
from xene.server import app
from xene.store import db

SECRET = "correct horse battery"
NAMES = [
    "X-Hub-Signature-256", "X-Hub-Signature", "X-Gitlab-Token", "X-Signature-256", "Authorization", "Content-Type",
    "Content-Encoding", "Idempotency-Key", "X-GitHub-Delivery", "X-Gitlab-Event-UUID", "X-GitHub-Event",
    "X-Request-Id", "Transfer-Encoding", "Content-Length", "Expect", "Cookie", "A",
]  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        ["", "sha256=", "sha256=" + "0" * 64, "Bearer ", "Bearer x", "ping", "application/x-www-form-urlencoded",
         "chunked", "5", "-1", "gzip", "100-continue", "x" * 300, SECRET[:-1], "Bearer " + SECRET[:-1]]
    ).map(str.encode),
    st.binary(max_size=40),
)  # fmt: skip
PATHS = st.one_of(
    st.sampled_from([f"/hooks/shop/triggers/{name}" for name in (*VERIFIES, "none", "%2e%2e", "a%00b")]),
    st.sampled_from(["/hooks/shop/pipelines/one", "/hooks/no/triggers/x", "/hooks//triggers/",
         "/hooks/shop/triggers/github?a=b"]),
)  # fmt: skip
BODIES = st.one_of(
    st.sampled_from(
        [b"", b"{}", b"{", b'{"ref": 1}', b"payload=%7B%7D", b"[" * 5000, b"null", b'{"params": {}}']
    ),
    st.binary(max_size=200),
)
REFUSED = {400, 401, 404, 408, 413, 415, 417, 429, 501, 503}


def prepared(root: Path) -> None:
    """A state in which every trigger would start its pipeline, if it were verified."""
    host = Host(Place(str(root / "home" / "state.db"), str(root / "home")), Fleet())
    made = workflow("shop", {"one": pipeline("true", triggers=list(VERIFIES), placement={"agent": "a"})})
    made["spec"]["triggers"] = {name: {"webhook": {"verify": name, "secretRef": "hook"}} for name in VERIFIES}
    secret = {
        "apiVersion": "xene/v1",
        "kind": "Secret",
        "metadata": {"name": "hook"},
        "spec": {"env": "HOSTILE_HOOK"},
    }
    host.apply(made, secret, agent("a"))
    assert host.pipelines()["shop/one"]["phase"] == "Scheduled"
    for each in host.fleet.values():
        each.cut()


def asked(found: Alone, path: str, headers: list[tuple[str, bytes]], body: bytes) -> bytes:
    """One request as it is, over a bare connection."""
    lines = [f"POST {path} HTTP/1.1".encode(), b"Host: x", b"Connection: close"]
    lines += [b"%s: %s" % (name.encode(), re.sub(rb"[\r\n\0]", b"", value)) for name, value in headers]
    if not any(name in ("Content-Length", "Transfer-Encoding") for name, _ in headers):
        lines.append(b"Content-Length: %d" % len(body))
    with found.call.connect() as sock:
        sock.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        return read_all(sock)


def rows(found: Alone) -> list[int]:
    with db.open_for_reading(found.place.state) as state:
        return [
            state.conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("fires", "runs", "deliveries")
        ]


def test_nothing_starts_and_nothing_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(tmp_path)
    monkeypatch.setenv("HOSTILE_HOOK", SECRET)
    monkeypatch.setattr(app, "BODY_SECONDS", 0.1)  # of a body that is shorter than its Content-Length
    with alone(tmp_path) as found:

        @settings(
            max_examples=120, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(PATHS, st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=5), BODIES)
        def send(path: str, headers: list[tuple[str, bytes]], body: bytes) -> None:
            answer = asked(found, path, headers, body)
            status = status_of(answer.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b""))
            assert status in REFUSED, answer
            assert SECRET.encode() not in answer

        send()
        assert rows(found) == [0, 0, 0]
        assert not [line for line in found.said if "a bug" in line or SECRET in line]
        right = asked(found, "/hooks/shop/triggers/gitlab", [("X-Gitlab-Token", SECRET.encode())], b"{}")
        assert status_of(right) == 202 and rows(found) == [1, 1, 0]
