"""What lies over a screen between a key that wants a form and the form: the state is asked what stands in it.

Nothing of it is seen. What is typed meanwhile is meant for the form, and would else be acts on what lies below:
over a slow line key and words come in one piece. Used by frames; the app gives it the keys.
"""

from __future__ import annotations

from textual import events
from textual.screen import ModalScreen


class Pending(ModalScreen[None]):
    """`key`: of the question that is waited for. esc leaves it, and what is found is shown to nobody.

    `typed` is what is meant for what comes: the app lets that have it, before what is typed after.
    """

    DEFAULT_CSS = "Pending { background: transparent; }"

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key
        self.typed: list[events.Event] = []

    def is_left_by(self, event: events.Event) -> bool:
        """Whether somebody wants nothing of what comes any more."""
        return self.is_current and isinstance(event, events.Key) and event.key == "escape"


def is_for_all(event: events.Event) -> bool:
    """Whether it leaves the screen or sends it to the background, whatever is shown."""
    return isinstance(event, events.Key) and event.key in ("ctrl+q", "ctrl+c", "ctrl+z")
