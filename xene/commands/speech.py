"""What steps say, on its way to people: prefixes, and what a terminal may be told.

Used by `logs` (stdout) and `follow` (stderr). A pipe or a file gets every byte as it was said; a terminal gets
text and colours, and everything else that would steer it is made visible.
"""

from __future__ import annotations

import sys

from xene.commands.tables import DIM, paint
from xene.commands.text import colored_log, one_line
from xene.plan.speech import Lines, Source


def for_terminal(line: bytes) -> str:
    """A line of a log that a terminal may be told; a progress bar's returns are line ends there."""
    return colored_log(line.decode("utf-8", "replace").removesuffix("\r"))


class ToStdout:
    """The words of one run's steps on stdout; `prefixed`: with `task/step | ` before each line.

    `marked`: a line of its own says where a second attempt begins, a third, and so on.
    """

    def __init__(self, *, prefixed: bool, color: bool, live: bool = False, marked: bool = False) -> None:
        self._prefixed, self._color, self._live, self._marked = prefixed, color, live, marked
        self._terminal = sys.stdout.isatty()
        self._lines = Lines()
        self._begun: set[Source] = set()
        self._last = b"\n"  # what was written last where nothing is put into lines

    def said(self, source: Source, data: bytes) -> None:
        """Write a piece."""
        mark = self._mark(source)
        if not self._prefixed and not self._terminal:
            begin = mark if self._last.endswith(b"\n") or not mark else b"\n" + mark
            self._last = begin + data or self._last
            self._write(begin + data)
            return
        lines = self._lines.ended_by(source, live=self._live)
        lines += [(source, line) for line in self._lines.feed(source, mark + data)]
        self._write(b"".join(self._line(whose, line) + b"\n" for whose, line in lines))

    def _mark(self, source: Source) -> bytes:
        """What stands before the first words of an attempt: nothing before those of the first one."""
        if not self._marked or source in self._begun:
            return b""
        self._begun.add(source)
        return f"--- attempt {source.attempt} ---\n".encode() if source.attempt > 1 else b""

    def close(self) -> None:
        """Write what never got its newline."""
        for source, line in self._lines.rest():
            self._write(self._line(source, line) + b"\n")

    def _line(self, source: Source, line: bytes) -> bytes:
        shown = for_terminal(line).encode() if self._terminal else line
        prefix = paint(f"{one_line(source.name)} | ", DIM, self._color) if self._prefixed else ""
        return prefix.encode() + shown

    def _write(self, data: bytes) -> None:
        if not data:
            return
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
