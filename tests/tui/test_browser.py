"""The screen in a real browser: headless Chromium logs in, reads, clicks, types, starts a run.

It draws without 3D, so that what the terminal shows stands in the page as text. Whatever it asks for is asked of
this host alone.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.fleet import Fleet, fleet, until
from tests.hosts import _free_port
from tests.tui.test_serving import _screens, serving, token
from tests.tui.test_terminal import SHOP, newest

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
DEADLINE = 30_000  # milliseconds


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp("browser"), "ssh+controller", 2) as made:
        made.write("shop.yaml", SHOP.replace("GO_ON", str(made.root / "go-on")))
        made.apply()
        yield made


@pytest.fixture(scope="module")
def site(shop: Fleet) -> Iterator[str]:
    with serving(shop) as (address, _):
        yield address


@pytest.fixture(scope="module")
def chromium() -> Iterator[Callable[..., Browser]]:
    """Opens a browser, with more flags."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("the program `chromium` is MISSING: apt-get install chromium (`make test` tries to)")
    with sync_playwright() as playwright:
        yield lambda *flags: playwright.chromium.launch(executable_path=program, args=[*FLAGS, *flags])


@pytest.fixture(scope="module")
def browser(chromium: Callable[..., Browser]) -> Iterator[Browser]:
    opened = chromium("--disable-3d-apis")
    yield opened
    opened.close()


@contextmanager
def somebody(browser: Browser, site: str) -> Iterator[Page]:
    """A browser of somebody else each time. It asks this site alone, and our own policy forbids it nothing."""
    context = browser.new_context(viewport={"width": 1200, "height": 700})
    context.set_default_timeout(DEADLINE)
    asked: list[str] = []
    wrong: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    context.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    page = context.new_page()
    page.on("websocket", lambda socket: asked.append(socket.url))
    yield page
    context.close()
    assert asked and all(url.startswith((site, site.replace("http", "ws"), "data:")) for url in asked), asked
    assert not wrong


@pytest.fixture
def page(browser: Browser, site: str) -> Iterator[Page]:
    with somebody(browser, site) as opened:
        yield opened


def log_in(page: Page, site: str, word: str) -> None:
    page.goto(site)
    page.get_by_label("token").fill(word)
    page.get_by_role("button").click()


def shown(page: Page) -> str:
    """The text of the screen: a terminal's blanks are no-break spaces here."""
    return page.locator(".xterm-rows").inner_text().replace("\xa0", " ")


def sees(page: Page, *words: str) -> None:
    """Wait until all of this stands on the screen."""
    rows = page.locator(".xterm-rows")
    rows.wait_for()
    try:
        page.wait_for_function(
            "words => { const text = document.querySelector('.xterm-rows').innerText.replaceAll('\\u00a0', ' ');"
            " return words.every(word => text.includes(word)) }",
            arg=list(words),
        )
    except Exception as error:
        raise AssertionError(f"waited in vain for {words}; the browser shows\n{shown(page)}") from error


def click(page: Page, word: str) -> None:
    """Click on what stands there."""
    lines = shown(page).split("\n")
    row = next(at for at, line in enumerate(lines) if word in line)
    box = page.locator(".xterm-rows").bounding_box()
    assert box is not None
    columns = max(map(len, lines))
    across, down = box["width"] / columns, box["height"] / len(lines)
    page.mouse.click(box["x"] + (lines[row].index(word) + 1) * across, box["y"] + (row + 0.5) * down)


def test_a_run_is_started_and_looked_into(page: Page, shop: Fleet, site: str) -> None:
    log_in(page, site, token(shop, "boss", "admin"))
    sees(page, "control:  at work", "▾ shop 4", "build", "host-2")
    click(page, "build ")
    sees(page, "shop/build Scheduled")
    page.keyboard.press("r")
    sees(page, "Run shop/build", "count *")
    page.keyboard.type("clicked")
    page.keyboard.press("Tab")
    page.keyboard.type("5")
    sees(page, "-p word=clicked -p count=5")
    page.keyboard.press("Enter")
    sees(page, "✓ $ xene run shop/build")
    (shop.root / "go-on").touch()
    page.keyboard.press("Enter")
    sees(page, "made clicked 5", "shipped", "✓ Success")
    click(page, "Graph")
    sees(page, "│ ✓ make │", "│ ✓ ship │")
    page.keyboard.press("Escape")
    sees(page, "3 Agents")
    click(page, "Agents")
    sees(page, "host-1", "Ready", "VERSION")
    assert newest(shop, "build")["params"] == {"word": "clicked", "count": 5}


def test_the_screen_has_the_size_of_the_window(page: Page, shop: Fleet, site: str) -> None:
    log_in(page, site, token(shop, "wide", "read"))
    sees(page, "VERSION")
    page.set_viewport_size({"width": 820, "height": 500})
    page.wait_for_function("() => !document.querySelector('.xterm-rows').innerText.includes('VERSION')")
    sees(page, "▾ shop 4", "build")


def test_who_may_read_sees_all_and_does_nothing(page: Page, shop: Fleet, site: str) -> None:
    before = len(shop.get("runs"))
    log_in(page, site, token(shop, "guest", "read"))
    sees(page, "▾ shop 4")
    assert " Run" not in shown(page).split("\n")[-1]
    page.keyboard.press("r")
    page.keyboard.press("s")
    page.keyboard.press("?")
    sees(page, "the token is for reading alone")
    assert len(shop.get("runs")) == before


def test_a_wrong_token_is_told(page: Page, shop: Fleet, site: str) -> None:
    log_in(page, site, "xene_nonsense")
    page.get_by_role("alert").filter(has_text="not known, has expired").wait_for()
    page.get_by_label("token").fill(token(shop, "late", "read"))
    page.get_by_role("button").click()
    sees(page, "▾ shop 4")


def test_a_token_that_is_taken_back_ends_the_screen(page: Page, shop: Fleet, site: str) -> None:
    log_in(page, site, token(shop, "left", "admin"))
    sees(page, "▾ shop 4")
    shop.xene("token", "rm", "left")
    page.get_by_text("The screen has ended.").wait_for()
    page.get_by_role("button", name="Open it again").click()
    page.get_by_label("token").wait_for()


def test_a_page_that_is_loaded_again_is_another_screen(page: Page, shop: Fleet, site: str) -> None:
    log_in(page, site, token(shop, "again", "read"))
    sees(page, "▾ shop 4")
    page.keyboard.press("5")
    sees(page, "MESSAGE")
    page.reload()
    sees(page, "▾ shop 4", "NEXT")
    page.close()
    until(lambda: not _screens(shop), "the screens have gone")


def test_who_logs_out_is_asked_again(page: Page, shop: Fleet, site: str) -> None:
    log_in(page, site, token(shop, "leaves", "admin"))
    sees(page, "▾ shop 4")
    page.keyboard.press("q")
    page.get_by_text("The screen has ended.").wait_for()
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("token").wait_for()
    page.goto(site)
    page.get_by_label("token").wait_for()


# The text of a terminal that is drawn as a picture: textual-serve's script keeps it to itself, but for this moment.
KEEP = """
Object.defineProperty(Object.prototype, 'fitAddon', {
  configurable: true,
  set(value) {
    window.terminalOfTheTest = this.terminal;
    Object.defineProperty(this, 'fitAddon', {value, writable: true});
  },
})
"""
READ = """
() => {
  const lines = window.terminalOfTheTest?.buffer.active;
  return [...Array(lines?.length ?? 0).keys()].map(at => lines.getLine(at).translateToString()).join("\\n");
}
"""


def drawn(page: Page, word: str) -> None:
    """Wait until this is drawn."""
    try:
        until(lambda: word in page.evaluate(READ), word)
    except AssertionError as error:
        raise AssertionError(f"waited in vain for {word}; it shows\n{page.evaluate(READ)}") from error


def test_with_3d_it_is_drawn_in_our_font(chromium: Callable[..., Browser], shop: Fleet, site: str) -> None:
    with chromium("--enable-unsafe-swiftshader") as opened, somebody(opened, site) as page:
        page.add_init_script(KEEP)
        log_in(page, site, token(shop, "gamer", "admin"))
        drawn(page, "▾ shop 4")
        assert page.locator(".xterm-screen canvas").count() and not page.locator(".xterm-rows div").count()
        page.keyboard.type("/fails\r")
        drawn(page, "shop/fails Scheduled")
        page.keyboard.press("r")
        drawn(page, "It takes no params.")
        page.keyboard.press("Enter")
        drawn(page, "Error ")
        faces = page.evaluate("() => [...document.fonts].map(face => face.family + ' ' + face.status)")
        assert faces and all("Roboto Mono" in face and face.endswith(" loaded") for face in faces), faces
    assert newest(shop, "fails")["phase"] == "Error"


def test_where_there_is_no_room_it_is_said(browser: Browser, shop: Fleet) -> None:
    with one_at_a_time(shop) as site, somebody(browser, site) as first:
        log_in(first, site, token(shop, "tabs", "read"))
        sees(first, "▾ shop 4")
        second = first.context.new_page()
        second.goto(site)
        second.get_by_role("alert").filter(has_text="1 screens are open with this token").wait_for()
        first.goto("about:blank")
        until(lambda: not _screens(shop), "the first has gone")
        second.get_by_role("button", name="Try again").click()
        sees(second, "▾ shop 4")


@contextmanager
def one_at_a_time(shop: Fleet) -> Iterator[str]:
    """A server that opens one screen for a token, instead of a dozen."""
    port = _free_port("127.0.0.1")
    program = "import sys; from xene.tui import serving; serving.OF_A_TOKEN = 1\n"
    program += f"serving.serve(sys.argv[1], '127.0.0.1', {port}, lambda text: print(text, flush=True))"
    command = [sys.executable, "-c", program, str(shop.home / "state.db")]
    child = subprocess.Popen(command, env=shop.environment, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        assert str(port) in child.stdout.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.communicate(timeout=30)
