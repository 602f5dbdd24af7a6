"""Keys from a real terminal: `esc` alone, what begins with it, in pieces and in bursts, and what is no text."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import time
from typing import Iterator

import pytest
from textual import constants
from textual.app import App
from textual.events import Event, Key, MouseDown, Paste

from xene.tui import quick_driver
from xene.tui.quick_driver import Keys, QuickDriver

DEADLINE = 20.0


class Reading:
    """A driver that reads from a terminal of its own, and what it found."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found: list[Event] = []
        self.master, self.terminal = pty.openpty()
        monkeypatch.setattr(QuickDriver, "process_message", lambda _, event: self.found.append(event))
        self.driver = QuickDriver(App())
        self.driver.fileno = self.terminal
        monkeypatch.setattr(self.driver, "exit_event", Exit(self))

    def read(self, *pieces: bytes, wanted: int) -> list[str]:
        """The keys that come of these pieces, each of which is written once nothing comes of the one before."""
        self.pieces, self.wanted = list(pieces), wanted
        self.deadline = time.monotonic() + DEADLINE
        self.driver.run_input_thread()
        return [event.key for event in self.found if isinstance(event, Key)]

    def close(self) -> None:
        os.close(self.master)
        os.close(self.terminal)


class Exit:
    """Is asked in each turn whether the screen is left: gives the terminal the next piece."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def is_set(self) -> bool:
        if self._reading.pieces:
            os.write(self._reading.master, self._reading.pieces.pop(0))
            return False
        return len(self._reading.found) >= self._reading.wanted or time.monotonic() > self._reading.deadline


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reading]:
    async def begin() -> Reading:  # a driver wants a loop to be there
        return Reading(monkeypatch)

    handlers = {sign: signal.getsignal(sign) for sign in (signal.SIGTSTP, signal.SIGCONT)}
    made = asyncio.run(begin())
    os.system(f"stty raw -echo < {os.ttyname(made.terminal)}")
    yield made
    made.close()
    for sign, handler in handlers.items():
        signal.signal(sign, handler)


def test_keys_and_words(reading: Reading) -> None:
    assert reading.read(b"a\x1b[A\x1b[5~\x1b", b"", wanted=4) == ["a", "up", "pageup", "escape"]


def test_esc_waits_no_longer_than_for_what_may_follow(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks at once, then as long as an `esc` waits, and finds it."""
    pauses: list[float] = []
    monkeypatch.setattr(quick_driver.selectors, "SelectSelector", watched(pauses))
    monkeypatch.delenv("ESCDELAY", raising=False)
    assert reading.read(b"\x1b", wanted=1) == ["escape"]
    assert pauses[0] == quick_driver.LOOK and sum(pauses[1:]) < 0.05


def watched(pauses: list[float]) -> type:
    class Watched(quick_driver.selectors.SelectSelector):
        def select(self, timeout: float | None = None) -> list:  # type: ignore[type-arg]
            pauses.append(timeout or 0.0)
            return super().select(timeout)

    return Watched


def test_who_says_how_long_gets_that(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESCDELAY", "20000")
    monkeypatch.setattr(constants, "ESCAPE_DELAY", DEADLINE)  # textual has read the variable long ago
    assert reading.read(b"\x1b", b"[A", b"x", wanted=2) == ["up", "x"]


@pytest.mark.parametrize(
    ("first", "second"), [("\x1b[20", "0~so\x1b[201~"), ("\x1b[<0;1", ";10M"), ("\x1b[", "5~")]
)
def test_parts_of_other_keys_wait_as_long_as_ever(
    first: str, second: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the end of a torn paste would be acts."""
    monkeypatch.delenv("ESCDELAY", raising=False)
    keys = Keys()
    assert list(keys.feed(first)) == [] and list(keys.tick()) == []
    assert 2 * quick_driver.LONE < keys.pause <= quick_driver.LOOK
    (event,) = keys.feed(second)
    assert isinstance(event, (Paste, MouseDown)) or event.key == "pageup"


def test_nothing_that_was_pasted_is_a_key(reading: Reading) -> None:
    """textual's parser has what stands behind an escape sequence pressed: a `y` would confirm a question."""
    text = b"abc \x1b[32my\x1b[A\r\n\x1b"
    assert reading.read(b"k\x1b[200~" + text[:7], text[7:] + b"\x1b[20", b"1~x", wanted=3) == ["k", "x"]
    assert [event.text for event in reading.found if isinstance(event, Paste)] == [text.decode()]


def test_half_a_character_waits_for_the_other_half(reading: Reading) -> None:
    assert reading.read("é".encode()[:1], "é".encode()[1:], wanted=1) == ["é"]


def test_what_is_no_text_ends_nothing(reading: Reading) -> None:
    assert reading.read(b"\xff\xfe", b"q", wanted=3)[-1] == "q"
