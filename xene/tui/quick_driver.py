"""The screen on a terminal whose `esc` is answered at once, though other keys begin with it too. Used by the app.

textual waits 0.1 s for what may follow an `esc` or any other part of a key, and looks ten times a second whether
that is over. Here an `esc` alone waits less, and it is looked as soon as a wait is over. ESCDELAY, in milliseconds,
is how long all of them wait, as with ncurses: a line that tears keys apart wants more. What is pasted does not go
through textual's parser.
"""

from __future__ import annotations

import codecs
import os
import selectors
from typing import Iterator

from textual import constants
from textual._time import get_time
from textual._xterm_parser import XTermParser
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Paste
from textual.message import Message

from xene.tui.pastes import Pastes

LONE = 0.025  # seconds that an `esc` waits for what makes another key of it, unless the user says otherwise
SLACK = 0.002  # seconds more, so that the wait is over when it is looked again
LOOK = 0.1  # seconds between looks at whether the screen is left
PIECE = 4096  # bytes that are read at once


class QuickDriver(LinuxDriver):
    """Reads keys as `LinuxDriver` does, but for pastes, and for when it looks again."""

    def run_input_thread(self) -> None:
        keys, decoder = Keys(self._debug), codecs.getincrementaldecoder("utf-8")("replace")
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                came = bool(selector.select(keys.pause))
                data = os.read(self.fileno, PIECE) if came else b""
                for event in keys.feed(decoder.decode(data)) if data else keys.tick():
                    self.process_message(event)
                if came and not data:
                    self.exit_event.wait(LOOK)  # the terminal has gone


class Keys:
    """Events from what a terminal sends; `pause` says when `tick` is to be called, if nothing more comes."""

    def __init__(self, debug: bool = False) -> None:
        self._parser = XTermParser(debug)
        self._pastes = Pastes()
        self._until: float | None = None  # when what is held is taken for a key

    def feed(self, text: str) -> Iterator[Message]:
        """What comes of it."""
        for piece in self._pastes.take(text):
            if piece.pasted:
                yield Paste(piece.text.replace("\x00", ""))
            else:
                yield from self._parser.feed(piece.text)
        wait = _lone() if self._pastes.held == "\x1b" else constants.ESCAPE_DELAY
        self._until = get_time() + wait if self._pastes.waits else None

    def tick(self) -> Iterator[Message]:
        """Nothing came meanwhile: what is over by now."""
        if self._until is not None and get_time() >= self._until:
            self._until = None
            held = self._pastes.release()
            yield from self._parser.feed(held)
            if self._parser._timeout_time is not None:
                self._parser._timeout_time = 0.0  # it has waited long enough
        yield from self._parser.tick()

    @property
    def pause(self) -> float:
        """Seconds."""
        ends = [at for at in (self._until, self._parser._timeout_time) if at is not None]
        return min(LOOK, max(0.0, min(ends) - get_time() + SLACK)) if ends else LOOK


def for_browser(usual: type[Driver]) -> type[Driver]:
    """textual's driver for a page in a browser, with pastes that are whole: it makes its parser by this name."""
    from textual.drivers import web_driver

    web_driver.XTermParser = Keys  # type: ignore[attr-defined, assignment]
    return usual


def _lone() -> float:
    """Seconds that an `esc` waits: as long as all else, where the user has said how long that is."""
    return constants.ESCAPE_DELAY if "ESCDELAY" in os.environ else LONE
