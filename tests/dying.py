"""The CLI in a process that ends itself with SIGKILL at a named point where it writes. Nothing of it is in Xene.

    python -m tests.dying --list FILE -- run shop/build --wait      notes every point that this command passes
    python -m tests.dying 'before commit@control.fire.store#1' -- run shop/build --wait

A point is `before|after WHAT@MODULE.FUNCTION#N`: the Nth time that this function of Xene commits, renames,
removes, makes a directory, opens a file for writing, or sends a message to an agent. So the list is complete by
construction, and a command that no longer passes a point fails the test that names it.
"""

from __future__ import annotations

import builtins
import os
import re
import shutil
import signal
import sqlite3
import sys
import threading
from collections import Counter
from typing import Any, Callable

_SEAMS = ("xene.store.db", "xene.store.files")  # the callers of these are what is named
_TYPE = re.compile(rb'"type":\s*"([a-z]+)"')


class Points:
    """Every point that is passed, counted; one of them is the last."""

    def __init__(self, fatal: str | None, listing: str | None) -> None:
        self._fatal, self._listing = fatal, listing
        self._count: Counter[str] = Counter()
        self._lock = threading.Lock()

    def reach(self, what: str) -> None:
        where = _caller()
        if where is None:
            return
        with self._lock:
            name = f"{what}@{where}"
            self._count[name] += 1
            name += f"#{self._count[name]}"
            if name == self._fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            if self._listing is not None:
                with _open(self._listing, "a") as file:
                    file.write(name + "\n")

    def around(self, what: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **more: Any) -> Any:
            self.reach(f"before {what}")
            found = act(*args, **more)
            self.reach(f"after {what}")
            return found

        return wrapped


_open = builtins.open


def _caller() -> str | None:
    """The innermost function of Xene that is at work, seams aside."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("xene.") and module not in _SEAMS:
            return f"{module.removeprefix('xene.')}.{frame.f_code.co_name}"
        frame = frame.f_back
    return None


def install(points: Points) -> None:
    """Put the points around everything that writes."""

    class Connection(sqlite3.Connection):
        writes = False

        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            if sql.startswith("BEGIN"):
                self.writes = sql == "BEGIN IMMEDIATE"
            if sql != "COMMIT" or not self.writes:
                return super().execute(sql, *args)
            points.reach("before commit")
            found = super().execute(sql, *args)
            points.reach("after commit")
            return found

    connect = sqlite3.connect

    def connected(*args: Any, **more: Any) -> sqlite3.Connection:
        made: sqlite3.Connection = connect(*args, **{"factory": Connection, **more})
        return made

    sqlite3.connect = connected  # type: ignore[assignment]
    for name in ("rename", "replace", "unlink", "mkdir"):
        setattr(os, name, points.around(name, getattr(os, name)))
    setattr(shutil, "rmtree", points.around("rmtree", shutil.rmtree))
    builtins.open = _opening(points)
    _watch_channels(points)


def _opening(points: Points) -> Callable[..., Any]:
    def opened(file: Any, mode: str = "r", *args: Any, **more: Any) -> Any:
        if not set(mode) & set("wax"):
            return _open(file, mode, *args, **more)
        points.reach("before open")
        found = _open(file, mode, *args, **more)
        points.reach("after open")
        return found

    return opened


def _watch_channels(points: Points) -> None:
    from xene.transport import local, session

    session.Session.send = points.around("queue", session.Session.send)  # type: ignore[method-assign]
    send = local.LocalChannel.send

    def sent(self: Any, data: bytes) -> None:
        said = _TYPE.search(data)
        what = said.group(1).decode() if said else "bytes"
        points.reach(f"before send {what}")
        send(self, data)
        points.reach(f"after send {what}")

    local.LocalChannel.send = sent  # type: ignore[method-assign]


def main(words: list[str]) -> int:
    listing = words.pop(0) == "--list" if words[0] == "--list" else False
    point = words.pop(0)
    install(Points(None, point) if listing else Points(point, None))
    from xene.cli import main as cli

    return cli(words[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
