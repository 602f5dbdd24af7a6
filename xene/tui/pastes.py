"""What a terminal sends, told apart: keys, and what was pasted, whole, whatever is in it. Pure. Used by the driver.

A bracketed paste may hold what else would be keys: a log with colours, a file. textual's parser takes escape
sequences in it for keys, and a `y` behind one of them would confirm a question.
"""

from __future__ import annotations

from typing import Iterator, NamedTuple

BEGIN, END = "\x1b[200~", "\x1b[201~"


class Piece(NamedTuple):
    """Keys, or the whole text of a paste."""

    text: str
    pasted: bool = False


class Pastes:
    """`held` is what came last and may be the beginning of a paste: more must come, or `release` be called."""

    def __init__(self) -> None:
        self.held = ""
        self._paste: list[str] | None = None

    def take(self, text: str) -> Iterator[Piece]:
        """What is known of what came, in its order."""
        text, self.held = self.held + text, ""
        while text:
            mark = BEGIN if self._paste is None else END
            before, found, text = text.partition(mark)
            keep = 0 if found else _begun(before, mark)
            before, self.held = before[: len(before) - keep], before[len(before) - keep :]
            yield from self._piece(before, bool(found))

    def _piece(self, text: str, ended: bool) -> Iterator[Piece]:
        """What stands before a mark, or before what may become one."""
        if self._paste is not None:
            self._paste.append(text)
            if ended:
                yield Piece("".join(self._paste), pasted=True)
                self._paste = None
            return
        if text:
            yield Piece(text)
        if ended:
            self._paste = []

    @property
    def waits(self) -> bool:
        """Whether what is held may be a key, so that it is to be released before long."""
        return bool(self.held) and self._paste is None

    def release(self) -> str:
        """No paste has begun: what was held are keys."""
        text, self.held = self.held, ""
        return text


def _begun(text: str, mark: str) -> int:
    """How many characters at the end of it may be the beginning of the mark."""
    return next((size for size in range(len(mark) - 1, 0, -1) if text.endswith(mark[:size])), 0)
