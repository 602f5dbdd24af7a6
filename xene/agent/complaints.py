"""What the daemon says to people: lines of `daemon.log`, which is its stderr.

Called by whatever in the agent goes on after something went wrong. A full disk must not end the daemon for want
of room to say so: what cannot be written is not said.
"""

from __future__ import annotations

import sys
import time


def complain(text: str) -> None:
    """One line, or a traceback, with the time before it."""
    try:
        print(f"{time.ctime()}: {text}", file=sys.stderr, flush=True)
    except OSError:
        pass  # the disk is full; control is told by other means


def complain_of_bug(where: str) -> None:
    """The exception that is being handled, whole: it is a bug of Xene."""
    import traceback  # 3 ms, needed in a bug only

    complain(f"{where}\n{traceback.format_exc()}")
