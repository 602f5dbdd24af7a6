"""The screen in a browser, as one talks to it: a login, a cookie, a websocket that carries keys and drawings."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
import zlib
from contextlib import asynccontextmanager, contextmanager
from typing import Any, AsyncIterator, Callable, Iterator

import aiohttp
import pytest

from tests.fleet import Fleet, fleet, until
from tests.hosts import _free_port
from xene.tui.serving import MESSAGE

SHOP = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: shop}
spec: {pipelines: {build: {tasks: {t: {steps: [{name: s, run: echo made}]}}}}}
"""
DEADLINE = 30.0
ENDS = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp("served"), "local", 1) as made:
        made.write("shop.yaml", SHOP)
        made.apply()
        yield made


def token(shop: Fleet, name: str, role: str, *more: str) -> str:
    return shop.xene("token", "create", name, "--role", role, *more).out.strip()


@pytest.fixture(scope="module")
def site(shop: Fleet) -> Iterator[str]:
    """Its address."""
    with serving(shop) as (address, _):
        yield address


@contextmanager
def serving(shop: Fleet, *words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The screen of that state in a browser: its address, and who serves it. It says nothing but where it is."""
    port = _free_port("127.0.0.1")
    child = shop.start("status", "--serve", f"127.0.0.1:{port}", *words)
    assert child.stderr is not None
    assert f"http://127.0.0.1:{port}" in child.stderr.readline()
    try:
        yield f"http://127.0.0.1:{port}", child
    finally:
        child.terminate()
        assert child.wait(DEADLINE) == 0
        out, err = child.communicate()
        assert (out, err) == ("", "")


class Page:
    """An open screen."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.drawn = ""

    async def press(self, keys: str) -> None:
        self.drawn = ""
        await self._socket.send_json(["stdin", keys])

    async def say(self, text: str) -> None:
        """Send this as it is."""
        await self._socket.send_str(text)

    async def closed(self) -> int:
        """Wait until the screen is closed; the code with which."""
        while (await self._socket.receive(timeout=DEADLINE)).type not in ENDS:
            pass
        assert self._socket.close_code is not None
        return self._socket.close_code

    async def sees(self, word: str) -> None:
        deadline = time.monotonic() + DEADLINE
        while word not in self.drawn:
            assert time.monotonic() < deadline, f"waited in vain for {word} in\n{self.drawn}"
            message = await self._socket.receive(timeout=DEADLINE)
            assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), message
            if message.type is aiohttp.WSMsgType.BINARY:
                self.drawn += message.data.decode("utf-8", "replace")


@asynccontextmanager
async def logged_in(site: str, word: str) -> AsyncIterator[aiohttp.ClientSession]:
    jar = aiohttp.CookieJar(unsafe=True)  # a numeric host may have cookies, too
    async with aiohttp.ClientSession(site, cookie_jar=jar) as session:
        async with session.post("/login", data={"token": word}) as answer:
            assert answer.status == 200 and "textual-terminal" in await answer.text()
        yield session


@asynccontextmanager
async def screen(session: aiohttp.ClientSession) -> AsyncIterator[Page]:
    async with session.ws_connect("/ws?width=100&height=30") as socket:
        yield Page(socket)


def play(scene: Callable[[], Any]) -> None:
    asyncio.run(scene())


def test_a_run_is_started_from_the_browser(shop: Fleet, site: str) -> None:
    word = token(shop, "boss", "admin")

    async def scene() -> None:
        async with logged_in(site, word) as session, screen(session) as page:
            await page.sees("shop/build")
            await page.press("r")
            await page.sees("$ xene run shop/build")
            await page.press("\r")
            await page.sees("✓ ")

    play(scene)
    shop.xene("wait", "shop/build")


def test_a_token_for_reading_cannot_act(shop: Fleet, site: str) -> None:
    word = token(shop, "eye", "read")
    before = len(shop.get("runs"))

    async def scene() -> None:
        async with logged_in(site, word) as session, screen(session) as page:
            await page.sees("shop/build")
            await page.press("rsp?")
            await page.sees("the token is for reading alone")

    play(scene)
    assert len(shop.get("runs")) == before
    assert not shop.get("pipeline", "shop/build")["suspended"]


def test_nothing_is_shown_without_a_token_that_is_good_for_it(shop: Fleet, site: str) -> None:
    refused = [token(shop, "t", "trigger"), token(shop, "one", "read", "--for", "shop"), "xene_nonsense", ""]

    async def scene() -> None:
        async with aiohttp.ClientSession(site, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            for path in ("/", "/ws", "/static/js/textual.js", "/download/x"):
                async with session.get(path) as answer:
                    assert answer.status == 401 and "A token is wanted" in await answer.text()
            for word in refused:
                async with session.post("/login", data={"token": word}) as answer:
                    assert answer.status == 403 and "Set-Cookie" not in answer.headers

    play(scene)


def test_a_token_that_was_taken_back_opens_nothing_more(shop: Fleet, site: str) -> None:
    word = token(shop, "gone", "read")

    async def scene() -> None:
        async with logged_in(site, word) as session:
            await asyncio.to_thread(shop.xene, "token", "rm", "gone")
            async with session.get("/") as answer:
                assert answer.status == 401
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect("/ws")

    play(scene)


def test_a_token_that_is_taken_back_ends_its_open_screens(shop: Fleet, site: str) -> None:
    word = token(shop, "leaver", "admin")

    async def scene() -> None:
        async with logged_in(site, word) as session, screen(session) as page:
            await page.sees("shop/build")
            await asyncio.to_thread(shop.xene, "token", "rm", "leaver")
            assert await page.closed() == 1008

    play(scene)
    until(lambda: not _screens(shop), "the screens have gone")


@pytest.mark.parametrize(
    "said",
    [
        "{",
        "[]",
        '["stdin", 7]',
        '["stdin", "\\ud800"]',
        '["resize", {}]',
        '["resize", {"width": "x"}]',
        "7",
        '["resize", {"width": 1e999, "height": 24}]',
        "[" * 100_000,
    ],
)
def test_what_no_terminal_says_ends_that_screen_alone(shop: Fleet, site: str, said: str) -> None:
    word = token(shop, f"odd-{zlib.crc32(said.encode())}", "admin")

    async def scene() -> None:
        async with logged_in(site, word) as session, screen(session) as other:
            async with screen(session) as page:
                await page.sees("shop/build")
                await page.say(said)
                assert await page.closed() == 1007
            await other.sees("shop/build")

    play(scene)
    until(lambda: not _screens(shop), "the screens have gone")


def test_a_size_that_no_browser_has_is_cut(shop: Fleet, site: str) -> None:
    word = token(shop, "huge", "read")

    async def scene() -> None:
        async with logged_in(site, word) as session:
            async with session.ws_connect("/ws?width=999999999&height=-5") as socket:
                page = Page(socket)
                await page.sees("Keys")
                await page.say('["resize", {"width": 80, "height": 999999999}]')
                await page.say('["resize", {"width": 80, "height": 24}]')
                await page.sees("shop/build")

    play(scene)


def test_a_message_that_is_too_long_ends_that_screen_alone(shop: Fleet, site: str) -> None:
    word = token(shop, "long", "admin")

    async def scene() -> None:
        async with logged_in(site, word) as session, screen(session) as page:
            await page.sees("shop/build")
            await page.say(json.dumps(["stdin", "x" * MESSAGE]))
            assert await page.closed() == 1009

    play(scene)


def test_a_screen_that_dies_closes_its_page(shop: Fleet, site: str) -> None:
    word = token(shop, "dies", "admin")
    until(lambda: not _screens(shop), "the screens have gone")

    async def scene() -> None:
        async with logged_in(site, word) as session, screen(session) as page:
            await page.sees("shop/build")
            os.kill(int(_screens(shop)), signal.SIGKILL)
            assert await page.closed() == 1000

    play(scene)


def test_no_screen_outlives_a_server_that_dies(shop: Fleet) -> None:
    word = token(shop, "orphan", "read")
    until(lambda: not _screens(shop), "the screens have gone")
    port = _free_port("127.0.0.1")
    child = shop.start("status", "--serve", f"127.0.0.1:{port}")
    assert child.stderr is not None and child.stderr.readline()

    async def scene() -> None:
        async with logged_in(f"http://127.0.0.1:{port}", word) as session, screen(session) as page:
            await page.sees("shop/build")
            os.kill(child.pid, signal.SIGKILL)

    play(scene)
    child.communicate()
    until(lambda: not _screens(shop), "the screens have gone")


def test_who_may_only_look_does_not_change_what_the_screen_keeps(shop: Fleet, site: str) -> None:
    word = token(shop, "dim", "read")

    async def scene() -> None:
        async with logged_in(site, word) as session, screen(session) as page:
            await page.sees("shop/build")
            await page.press("Dv")
            await page.sees("Views")

    play(scene)
    assert not (shop.home / "status.json").exists()


def test_the_server_ends_its_screens(shop: Fleet) -> None:
    word = token(shop, "last", "read")
    until(lambda: not _screens(shop), "the screens have gone")

    async def scene(address: str, child: subprocess.Popen[str]) -> None:
        async with logged_in(address, word) as session, screen(session) as page:
            await page.sees("shop/build")
            assert _screens(shop)
            child.terminate()
            await page.closed()

    with serving(shop) as (address, child):
        asyncio.run(scene(address, child))
        assert child.wait(DEADLINE) == 0
    until(lambda: not _screens(shop), "the screens have gone")


def test_another_site_gets_nothing(shop: Fleet, site: str) -> None:
    word = token(shop, "mine", "admin")

    async def scene() -> None:
        async with logged_in(site, word) as session:
            for path in ("/", "/ws"):
                async with session.get(path, headers={"Origin": "https://evil.example.com"}) as answer:
                    assert answer.status == 403
            async with session.get("/") as answer:
                assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]

    play(scene)


def test_a_page_that_is_closed_leaves_no_process(shop: Fleet, site: str) -> None:
    word = token(shop, "short", "read")

    async def scene() -> None:
        async with logged_in(site, word) as session, screen(session) as page:
            await page.sees("shop/build")

    play(scene)
    until(lambda: not _screens(shop), "the screens have gone")


def _screens(shop: Fleet) -> str:
    found = subprocess.run(
        ["pgrep", "-f", f"xene status --state {shop.home}"], capture_output=True, text=True, check=False
    )
    return found.stdout


def test_words_that_are_refused(shop: Fleet) -> None:
    assert "in the clear" in shop.xene("status", "--serve", "0.0.0.0:0", code=2).err
    assert "HOST:PORT is wanted" in shop.xene("status", "--serve", "8090", code=2).err
    assert "belong to --serve" in shop.xene("status", "127.0.0.1:1", code=2).err


def test_an_address_that_is_taken(shop: Fleet, site: str) -> None:
    taken = site.removeprefix("http://")
    assert "cannot be listened on" in shop.xene("status", "--serve", taken, code=7).err


def test_a_selector_and_read_only_are_for_its_screens_too(shop: Fleet) -> None:
    word = token(shop, "chosen", "admin")

    async def scene(address: str) -> None:
        async with logged_in(address, word) as session, screen(session) as page:
            await page.sees("nothing matches")
            await page.press("?")
            await page.sees("called with --read-only")

    assert "is not a requirement" in shop.xene("status", "--serve", "-l", "==", code=2).err
    with serving(shop, "--read-only", "-l", "team=nobody") as (address, _):
        asyncio.run(scene(address))
