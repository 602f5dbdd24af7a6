"""Who gets in, as an attacker would try it: in this process, over a state with a few tokens."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from tests.tui.conftest import play
from xene.control import tokens
from xene.control.place import Place
from xene.store import db
from xene.store import tokens as stored
from xene.store.tokens import ADMIN, READ, Token
from xene.tui import door
from xene.tui.door import LASTS, MOST, cookie, headers, is_own, scheme
from xene.tui.serving import OF_A_TOKEN, SCREENS, Site, full


def made(home: Path, name: str, role: str = READ) -> str:
    """A token of that name."""
    return tokens.create(Place(str(home / "state.db"), str(home)), Token(name, role, None, time.time(), None))


@asynccontextmanager
async def at(site: Site, **more: Any) -> AsyncIterator[TestClient[Any, Any]]:
    """A browser in front of it."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with TestClient(TestServer(site.app()), cookie_jar=jar, **more) as client:
        yield client


async def logged_in(client: TestClient[Any, Any], word: str, **more: Any) -> aiohttp.ClientResponse:
    answer = await client.post("/login", data={"token": word}, allow_redirects=False, **more)
    assert answer.status == 303
    return answer


def asks(**said: str) -> web.Request:
    return make_mocked_request("GET", "/", headers={"Host": "127.0.0.1:8090", **said})


def test_the_cookie_is_for_this_page_alone(home: Path) -> None:
    word = made(home, "me")

    async def scene() -> None:
        async with at(Site(str(home / "state.db"))) as client:
            plain = (await logged_in(client, word)).headers["Set-Cookie"]
            assert "HttpOnly" in plain and "SameSite=Strict" in plain and "Secure" not in plain
            assert plain.startswith(f"xene_status_{client.port}=") and word not in plain
            proxied = await logged_in(client, word, headers={"X-Forwarded-Proto": "https"})
            assert "Secure" in proxied.headers["Set-Cookie"]

    play(scene)


def test_states_behind_other_ports_have_other_cookies() -> None:
    assert cookie(asks()) == "xene_status_8090"
    assert cookie(asks(Host="ops.example.com")) == "xene_status"
    assert cookie(asks(Host="[::1]:8091")) == "xene_status_8091"
    assert cookie(asks(Host="[::1]")) == "xene_status"


@pytest.mark.parametrize(
    ("said", "found"),
    [("https", "https"), ("HTTPS, http", "https"), ("http,https", "http"), ("javascript:", "http"), ("", "http")],
)  # fmt: skip
def test_what_a_proxy_says_of_the_scheme(said: str, found: str) -> None:
    assert scheme(asks(**{"X-Forwarded-Proto": said})) == found


@pytest.mark.parametrize(
    ("origin", "own"),
    [
        ("http://127.0.0.1:8090", True), ("http://127.0.0.1:8091", False), ("http://evil.example.com", False),
        ("null", False), ("", False),
    ],
)  # fmt: skip
def test_another_site(origin: str, own: bool) -> None:
    assert is_own(asks(Origin=origin)) is own


def test_scripts_come_from_here_alone_whatever_host_is_named() -> None:
    policy = headers(asks())["Content-Security-Policy"]
    assert "script-src 'self';" in policy and "connect-src 'self' ws://127.0.0.1:8090 wss://" in policy
    odd = headers(asks(Host="a; script-src *"))["Content-Security-Policy"]
    assert "connect-src 'self';" in odd and "*" not in odd


def test_every_answer_says_what_a_page_may_do(home: Path) -> None:
    word = made(home, "me")

    async def scene() -> None:
        async with at(Site(str(home / "state.db"))) as client:
            await logged_in(client, word)
            found = {
                "/": 200,
                "/page.js": 200,
                "/static/js/textual.js": 200,
                "/static/": 403,
                "/nowhere": 404,
            }
            for path, status in found.items():
                async with client.get(path) as answer:
                    assert "default-src 'none'" in answer.headers["Content-Security-Policy"], path
                    assert answer.status == status

    play(scene)


@pytest.mark.parametrize(
    "path", ["%2e%2e/server.py", "js/%2e%2e/%2e%2e/server.py", "..%2fserver.py", "/etc/passwd"]
)
def test_no_file_but_the_pages_own_is_served(home: Path, path: str) -> None:
    word = made(home, "me")

    async def scene() -> None:
        async with at(Site(str(home / "state.db"))) as client:
            await logged_in(client, word)
            target = client.make_url("/").with_path(f"/static/{path}", encoded=True)
            async with client.session.get(target) as answer:
                assert answer.status in (403, 404)

    play(scene)


def test_a_login_ends_by_itself_and_when_it_is_asked_to(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    word = made(home, "me")
    now = time.time()

    async def scene() -> None:
        async with at(Site(str(home / "state.db"))) as client:
            await logged_in(client, word)
            kept = {each.key: each.value for each in client.session.cookie_jar}
            async with client.get("/") as answer:
                assert answer.status == 200
            await client.post("/logout")
            async with client.get("/", cookies=kept) as answer:
                assert answer.status == 401
            await logged_in(client, word)
            kept = {each.key: each.value for each in client.session.cookie_jar}
            monkeypatch.setattr(door.time, "time", lambda: now + LASTS + 60)
            async with client.get("/", cookies=kept) as answer:
                assert answer.status == 401

    play(scene)


def test_one_token_does_not_take_the_logins_of_others(home: Path) -> None:
    boss, guest = made(home, "boss", ADMIN), made(home, "guest")

    async def scene() -> None:
        site = Site(str(home / "state.db"))
        async with at(site) as client:
            mine = (await logged_in(client, boss)).cookies
            for _ in range(MOST + 5):
                await logged_in(client, guest)
            assert len(site._door._logins) == MOST + 1
            client.session.cookie_jar.clear()
            async with client.get("/", cookies={key: each.value for key, each in mine.items()}) as answer:
                assert answer.status == 200

    play(scene)


def test_a_form_that_is_no_token(home: Path) -> None:
    async def scene() -> None:
        async with at(Site(str(home / "state.db"))) as client:
            async with client.post("/login", data={"token": "x" * 100_000}) as answer:
                assert answer.status == 413
            file = aiohttp.FormData()
            file.add_field("token", b"xene_", filename="token")
            async with client.post("/login", data=file) as answer:
                assert answer.status == 403
            async with client.post(
                "/login", data=b"\xff\xfe", headers={"Content-Type": "text/plain"}
            ) as answer:
                assert answer.status == 403

    play(scene)


def test_where_there_is_no_state_nobody_gets_in(tmp_path: Path) -> None:
    (tmp_path / "damaged.db").write_bytes(b"no database at all" * 500)

    async def scene(name: str, status: int, words: str) -> None:
        async with at(Site(str(tmp_path / name))) as client:
            async with client.post("/login", data={"token": tokens.make()[0]}) as answer:
                assert answer.status == status and words in await answer.text()

    play(lambda: scene("none.db", 403, "is not known"))
    play(lambda: scene("damaged.db", 503, "the state cannot be read"))
    assert not (tmp_path / "none.db").exists()


def test_a_screen_is_a_use_of_its_token(home: Path) -> None:
    word = made(home, "me")

    async def scene() -> None:
        site = Site(str(home / "state.db"))
        async with at(site) as client:
            await logged_in(client, word)
            async with client.ws_connect("/ws") as socket:
                await asyncio.wait_for(_noted(home), 30)
                await socket.close()
            while site.open:
                await asyncio.sleep(0.02)

    play(scene)


async def _noted(home: Path) -> None:
    while True:
        with db.open_for_reading(str(home / "state.db")) as state:
            if stored.tokens(state, name="me")[0]["lastUsedAt"] is not None:
                return
        await asyncio.sleep(0.02)


def test_how_many_screens_there_may_be() -> None:
    me, others = _token("me"), [_token(f"t{number}") for number in range(SCREENS)]
    assert full([], me) == full(others[:-1], me) == full([me] * (OF_A_TOKEN - 1), me) == ""
    assert "32 screens are open already" in full(others, me)
    assert "12 screens are open with this token" in full([me] * OF_A_TOKEN, me)


def test_who_comes_when_all_screens_are_taken_is_told(home: Path) -> None:
    word = made(home, "me")
    site = Site(str(home / "state.db"))
    site.open = {web.WebSocketResponse(): _token(str(number)) for number in range(SCREENS)}

    async def scene() -> None:
        async with at(site) as client:
            await logged_in(client, word)
            async with client.ws_connect("/ws") as socket:
                assert await socket.receive_json() == ["open_url", {"url": "/full", "new_tab": False}]
                await socket.receive()
                assert socket.close_code == 1013
            async with client.get("/full") as answer:
                assert answer.status == 503 and "32 screens are open already" in await answer.text()
            site.open.clear()
            async with client.get("/full") as answer:
                assert answer.status == 200 and answer.url.path == "/"

    play(scene)


def test_of_many_that_come_at_once_no_more_get_in(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    word = made(home, "me")

    async def show(_: Site, __: web.Request, websocket: web.WebSocketResponse) -> None:
        await websocket.send_str('["in"]')
        await websocket.receive()

    monkeypatch.setattr(Site, "_show", show)

    async def scene() -> None:
        async with at(Site(str(home / "state.db"))) as client:
            await logged_in(client, word)
            sockets = await asyncio.gather(*(client.ws_connect("/ws") for _ in range(3 * OF_A_TOKEN)))
            said = [(await socket.receive_json())[0] for socket in sockets]
            assert said.count("in") == OF_A_TOKEN and said.count("open_url") == 2 * OF_A_TOKEN
            for socket in sockets:
                await socket.close()
            async with client.ws_connect("/ws") as socket:
                assert await socket.receive_json() == ["in"]

    play(scene)


def _token(name: str) -> Token:
    return Token(name, READ, None, 0.0, None)
