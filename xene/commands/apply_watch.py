"""`xene apply --watch`: applies again whenever something in PATH changes, until Ctrl-C.

Called by `commands.apply`, whose `once` does the work.
"""

from __future__ import annotations

import os
import queue
from contextlib import closing
from typing import TYPE_CHECKING, Callable, NoReturn

from xene.commands.call import Call
from xene.errors import Detached, NotFound, XeneError

if TYPE_CHECKING:
    from xene.control.watch import Moved


def go_on(call: Call, path: str, once: Callable[[bool], int]) -> NoReturn:
    """Call `once` now and after each change; what it raises is told, once, and goes on. Raises Detached, NotFound.

    `once` is told whether it was called, and was right, before.
    """
    from xene.control.watch import AGAIN, Watcher

    if not os.path.exists(path):
        raise NotFound(f"{path}: no such file or directory", hint="name a directory of manifests or a file")
    real = os.path.realpath(path)
    directory, only = (real, "") if os.path.isdir(real) else os.path.split(real)
    inbox: queue.SimpleQueue[Moved] = queue.SimpleQueue()
    again, told = False, ""
    try:
        with closing(Watcher(directory, inbox, only)):
            call.say(f"watching {path}; Ctrl-C ends it, and what was applied stays")
            while True:
                _wait(inbox, AGAIN)
                trouble = _tried(call, once, again, told)
                again, told = again or not trouble, trouble
    except KeyboardInterrupt:
        raise Detached(f"{path} is watched no longer; what was applied stays") from None


def _wait(inbox: queue.SimpleQueue[Moved], seconds: float) -> None:
    """Until something changed, or it is time to look anyway; what came together counts once."""
    try:
        inbox.get(timeout=seconds)
        while True:
            inbox.get_nowait()
    except queue.Empty:
        pass


def _tried(call: Call, once: Callable[[bool], int], again: bool, told: str) -> str:
    """What went wrong, "" for nothing. It is said unless it is what was said before."""
    try:
        once(again)
        return ""
    except XeneError as error:
        if error.message != told:
            call.complain(f"error: {error.message}")
            if error.hint:
                call.hint(error.hint)
        return error.message
