"""What lies over a screen between a key that wants a form and the form: the state is asked what stands in it.

Nothing of it is seen. What is typed meanwhile is meant for the form, and would else be acts on what lies below:
over a slow line key and words come in one piece. Used by frames; the app gives it the keys.
"""

from __future__ import annotations

from textual import events
from textual.screen import ModalScreen


class Pending(ModalScreen[None]):
    """`key`: of the question that is waited for. esc leaves it, and what is found is shown to nobody."""

    DEFAULT_CSS = "Pending { background: transparent; }"

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key
        self._typed: list[events.Key] = []

    def take(self, event: events.Key) -> None:
        """A key was pressed."""
        if event.key == "escape":
            self.dismiss()
        else:
            self._typed.append(event)

    def play(self) -> None:
        """Let what is shown now have what was typed."""
        for event in self._typed:
            self.app.post_message(events.Key(event.key, event.character))
