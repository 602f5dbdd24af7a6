"""What the reading thread posts to the app. Threads post, handlers change widgets; nothing else crosses over."""

from __future__ import annotations

from typing import Any, Callable

from textual.message import Message


class Answer(Message):
    """What a question found. `take` is a method of whoever asked; the app calls it if that is still shown."""

    def __init__(self, key: str, value: Any, take: Callable[[Any], None]) -> None:
        super().__init__()
        self.key, self.value, self.take = key, value, take


class Moved(Message):
    """Somebody wrote to the state. However much was written, there is one of these until it is looked at."""


class Trouble(Message):
    """The state cannot be read, or not that part of it: `text` says why, "" once it can be read again."""

    def __init__(self, text: str, key: str = "") -> None:
        super().__init__()
        self.text, self.key = text, key


class Broken(Message):
    """A bug: the app ends with it, and the command line's error boundary tells it."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error
