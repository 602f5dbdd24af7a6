"""What the checks find: a problem at a path in the data, before it is given a line and a column. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

Path = tuple[Any, ...]


class Finding(NamedTuple):
    """`at_key`: the key that leads to `path` is meant, not its value. `nth`: the nth `${{` in the text is meant;
    `offset`: what stands that many characters into the text."""

    path: Path
    code: str
    message: str
    hint: str = ""
    at_key: bool = False
    nth: int | None = None
    offset: int | None = None

    @property
    def inside(self) -> bool:
        """Whether it is about a part of a text."""
        return self.nth is not None or self.offset is not None
