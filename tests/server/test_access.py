"""Who asks, whether they may, and how often."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from aiohttp import web

from tests.server.conftest import Alone, Caller, alone
from tests.server.sites import length, route, token
from xene.control import tokens
from xene.server.app import App
from xene.server.limits import Limit, Rate
from xene.server.routes import Route
from xene.store import db, views


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


def test_a_route_may_let_in_without_a_token(tmp_path: Path) -> None:
    """As the metrics do for who asks from this host."""

    def both(app: App) -> None:
        for path, opens in (("/open", True), ("/shut", False)):
            app.add(Route("GET", path, length, "it", {}, "read", guard=lambda _, opens=opens: opens))  # type: ignore[misc]

    with alone(tmp_path, both) as found:
        assert [found.call.get(path).status for path in ("/open", "/shut")] == [200, 401]
