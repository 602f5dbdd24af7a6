"""The screen on a terminal whose `esc` is answered at once, though other keys begin with it too. Used by the app.

textual waits 0.1 s for what may follow an `esc` or any other part of a key, and looks ten times a second whether
that is over. Here an `esc` alone waits less, and it is looked as soon as a wait is over. ESCDELAY, in milliseconds,
is how long all of them wait, as with ncurses: a line that tears keys apart wants more.
"""

from __future__ import annotations

import codecs
import os
import selectors
from typing import Iterator

from textual._time import get_time
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

LONE = 0.025  # seconds that an `esc` waits for what makes another key of it, unless the user says otherwise
SLACK = 0.002  # seconds more, so that the wait is over when it is looked again
LOOK = 0.1  # seconds between looks at whether the screen is left
PIECE = 4096  # bytes that are read at once


class QuickParser(XTermParser):
    """Knows when it is to be asked again."""

    def hurry(self, seconds: float) -> None:
        """What has begun is over so soon, if nothing follows."""
        if self._timeout_time is not None:
            self._timeout_time = min(self._timeout_time, get_time() + seconds)

    @property
    def pause(self) -> float:
        """Seconds until it is to be asked again."""
        left = LOOK if self._timeout_time is None else self._timeout_time - get_time() + SLACK
        return min(LOOK, max(0.0, left))


class QuickDriver(LinuxDriver):
    """Reads keys as `LinuxDriver` does, but for when it looks again."""

    def run_input_thread(self) -> None:
        parser, decoder = QuickParser(self._debug), codecs.getincrementaldecoder("utf-8")("replace")
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                came = bool(selector.select(parser.pause))
                data = os.read(self.fileno, PIECE) if came else b""
                for event in self._events(parser, decoder.decode(data)) if data else parser.tick():
                    self.process_message(event)
                if came and not data:
                    self.exit_event.wait(LOOK)  # the terminal has gone

    @staticmethod
    def _events(parser: QuickParser, text: str) -> Iterator[Message]:
        if text:  # else it is half a character
            yield from parser.feed(text)
        if text.endswith("\x1b") and "ESCDELAY" not in os.environ:
            parser.hurry(LONE)
