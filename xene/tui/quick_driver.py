"""The screen on a terminal whose `esc` is answered at once, though other keys begin with it too. Used by the app.

textual looks at the terminal ten times a second, and waits 0.1 s for what may follow an `esc`. Here it looks again
as soon as nothing can follow any more. ESCDELAY, in milliseconds, is how long that is, as with ncurses: a line that
tears keys apart wants more.
"""

from __future__ import annotations

import codecs
import os
import selectors

from textual import constants
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

ESCDELAY = (
    0.03  # seconds that an `esc` waits for what makes another key of it, unless the user says otherwise
)
SLACK = 0.002  # seconds more, so that the wait is over when it is looked again
LOOK = 0.1  # seconds between looks at whether the screen is left
PIECE = 4096  # bytes that are read at once

if "ESCDELAY" not in os.environ:
    constants.ESCAPE_DELAY = ESCDELAY  # type: ignore[misc]  # textual's is said for good when it is imported


class QuickDriver(LinuxDriver):
    """Reads keys as `LinuxDriver` does, but for when it looks again."""

    def run_input_thread(self) -> None:
        parser, decoder = XTermParser(self._debug), codecs.getincrementaldecoder("utf-8")("replace")
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            pause = LOOK
            while not self.exit_event.is_set():
                came = bool(selector.select(pause))
                data = os.read(self.fileno, PIECE) if came else b""
                for event in parser.feed(text) if (text := decoder.decode(data)) else ():
                    self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)
                pause = constants.ESCAPE_DELAY + SLACK if data else LOOK
                if came and not data:
                    self.exit_event.wait(LOOK)  # the terminal has gone
