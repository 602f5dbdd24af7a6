"""The text of one file: bytes checked and decoded, places turned into lines and columns, problems made.

Called by `load`. Knows texts, and nothing of YAML or of Xene's objects.
"""

from __future__ import annotations

import re
from functools import cached_property

from xene.manifest.nodes import Flaw
from xene.manifest.problems import Problem

MAX_BYTES = 4 << 20
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_DIRECTIVES = 20  # lines that begin with '%'; the C parser's time grows with their square
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # what libyaml counts as one


class Source:
    """A file's text and its name. `flaw` is set where the bytes are no text that YAML could hold."""

    def __init__(self, file: str, data: bytes) -> None:
        self.file = file
        self.flaw: Flaw | None = None
        self.text = self._decoded(data)
        control = _CONTROL.search(self.text)
        if control is not None and self.flaw is None:
            line, column = self.place(control.start())
            message = f"the control character {control.group()!r} may not stand here"
            self.flaw = Flaw(line, column, "control-character", message)
        elif self.text.count("\n%") > _DIRECTIVES:
            self.flaw = Flaw(
                0, 0, "yaml-syntax", "too many lines begin with '%'", "a text with '%' wants quotes"
            )

    def _decoded(self, data: bytes) -> str:
        if len(data) > MAX_BYTES:
            message = f"the file has more than {MAX_BYTES >> 20}Mi; a manifest may have no more"
            self.flaw = Flaw(0, 0, "too-large", message, "split it, or name it in .xeneignore")
            return ""
        try:
            return data.decode("utf-8").removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            before = data[: error.start].decode("utf-8")
            message = f"the byte 0x{data[error.start]:02x} is not UTF-8"
            hint = "save the file as UTF-8"
            self.text = before
            line, column = self.place(len(before))
            self.flaw = Flaw(line, column, "not-utf8", message, hint)
            return before

    def place(self, index: int) -> tuple[int, int]:
        """Line and column, from 0, of the character at `index`."""
        line, start = 0, 0
        for match in _BREAK.finditer(self.text, 0, index):
            line, start = line + 1, match.end()
        return line, index - start

    @cached_property
    def lines(self) -> list[str]:
        return _BREAK.split(self.text)

    def problem(self, flaw: Flaw) -> Problem:
        """The flaw as a problem of this file, with its line of the text."""
        line = self.lines[flaw.line] if 0 <= flaw.line < len(self.lines) else ""
        return Problem(self.file, flaw.line + 1, flaw.column + 1, flaw.code, flaw.message, flaw.hint, line)

    def nth(self, text: str, start: int, nth: int) -> tuple[int, int] | None:
        """Line and column, from 0, of the nth `text` at or after character `start`."""
        at = start - 1
        for _ in range(nth + 1):
            at = self.text.find(text, at + 1)
            if at < 0:
                return None
        return self.place(at)
