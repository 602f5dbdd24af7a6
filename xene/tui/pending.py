"""What lies over a screen between a key that wants a form and the form: the state is asked what stands in it.

Nothing of it is seen. What is typed meanwhile is meant for the form, and would else be acts on what lies below:
over a slow line key and words come in one piece. Used by frames; the app is a `Holding`.
"""

from __future__ import annotations

from textual.app import App
from textual.events import Event, Key, Paste
from textual.screen import ModalScreen


class Pending(ModalScreen[None]):
    """`key`: of the question that is waited for. esc leaves it, and what is found is shown to nobody.

    `typed` is what is meant for what comes: the app lets that have it, before what is typed after.
    """

    DEFAULT_CSS = "Pending { background: transparent; }"

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key
        self.typed: list[Event] = []

    def is_left_by(self, event: Event) -> bool:
        """Whether somebody wants nothing of what comes any more."""
        return self.is_current and isinstance(event, Key) and event.key == "escape"


class Holding(App[None]):
    """An app that holds back what is typed or pasted for a form, until that is drawn."""

    _held: Pending | None = None

    def hold(self, pending: Pending) -> None:
        """Keep what is typed from now on for what comes in the place of this."""
        self._held = pending
        self.push_screen(pending)

    def drop(self, pending: Pending) -> None:
        """Nothing comes in the place of this."""
        self._held = None
        pending.dismiss()

    async def play(self) -> None:
        """Let what is shown now have what was typed for it: nothing that is not modal, where keys would be acts."""
        held, self._held = self._held, None
        for event in held.typed if held is not None and self.screen.is_modal else ():
            await super().on_event(event)

    async def on_event(self, event: Event) -> None:
        typed = isinstance(event, (Key, Paste)) and not event.is_forwarded
        if not (typed and self._takes(event)):
            await super().on_event(event)

    def held_back(self, event: Key) -> bool:
        """Whether a key that nobody took is kept for the form too."""
        kept = self._takes(Key(event.key, event.character))
        if kept:
            event.prevent_default()
        return kept

    def _takes(self, event: Event) -> bool:
        held = self._held
        if held is None or not self.screen.is_modal or _is_for_all(event):
            return False
        if held.is_left_by(event):
            self.drop(held)
        else:
            held.typed.append(event)
        return True


def _is_for_all(event: Event) -> bool:
    """Whether it leaves the screen or sends it to the background, whatever is shown."""
    return isinstance(event, Key) and event.key in ("ctrl+q", "ctrl+c", "ctrl+z")
