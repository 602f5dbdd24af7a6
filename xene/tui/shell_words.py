"""Words as a shell wants them, in one line that can be read and copied: what does the same as an act. Pure.

Used by `commandline`. What cannot be printed is written by its bytes, so that it neither steers the terminal on
which it is shown nor gets lost where it is copied.
"""

from __future__ import annotations

import shlex
from typing import Sequence


def joined(words: Sequence[str]) -> str:
    """The words as a command line."""
    return " ".join(map(quoted, words))


def quoted(word: str) -> str:
    """One word. `$(...)` loses newlines at the end, which only `$'...'` can say, unknown to some older `sh`."""
    if word.isprintable():
        return shlex.quote(word)
    if word.endswith("\n"):
        return "$'" + _bytes(word.replace("\\", "\\\\").replace("'", "\\'")) + "'"
    form = _bytes(word.replace("\\", "\\\\").replace("%", "%%"))
    if form.startswith("-"):  # no option of printf
        form = "\\055" + form[1:]
    return f'"$(printf {shlex.quote(form)})"'


def _bytes(text: str) -> str:
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    if char == "\n":
        return "\\n"
    return "".join(f"\\{byte:03o}" for byte in char.encode("utf-8", "surrogateescape"))
