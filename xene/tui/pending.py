"""What lies over a screen between a key that wants a form and the form: the state is asked what stands in it.

Nothing of it is seen. What is typed meanwhile is meant for the form, and would else be acts on what lies below:
over a slow line key and words come in one piece. Used by frames; the app is a `Holding`.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

from textual.app import App
from textual.events import Event, Key, Paste
from textual.screen import ModalScreen, Screen

from xene.tui.field import Field, Pick

HEARD = (
    1.0  # seconds after which what was typed counts as heard: a part that is on its way out may never say so
)
PATIENCE = 3.0  # seconds after which what is typed is no more meant for something that nobody has seen yet
TOO_LATE = "the state took long to answer: what was typed meanwhile is left out"


class Pending(ModalScreen[None]):
    """`key`: of the question that is waited for. esc leaves it, and what is found is shown to nobody.

    `typed` is what is meant for what comes: the app lets `place`, the screen that came, have it, before what is
    typed after. `over`: nothing comes any more.
    """

    DEFAULT_CSS = "Pending { background: transparent; }"

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key
        self.typed: list[Event] = []
        self.place: Screen[Any] | None = None
        self.over = False
        self.since = time.monotonic()

    def is_left_by(self, event: Event) -> bool:
        """Whether somebody wants nothing of what comes any more."""
        return self.app.screen is self and isinstance(event, Key) and event.key == "escape"

    def on_screen_resume(self) -> None:
        """What lay over it has gone."""
        if self.over:
            self.dismiss()


class Holding(App[None]):
    """An app that holds back what is typed or pasted for a form, until that is drawn."""

    _held: Pending | None = None

    def hold(self, pending: Pending) -> None:
        """Keep what is typed from now on for what comes in the place of this."""
        self._held = pending
        self.push_screen(pending)

    def drop(self, pending: Pending) -> None:
        """Nothing comes in the place of this."""
        self._held = None if self._held is pending else self._held
        pending.over = True
        if self.screen is pending:
            pending.dismiss()

    async def play(self, pending: Pending) -> None:
        """Let what came have what was typed for it, if that is modal: elsewhere keys are acts."""
        if self._held is not pending:
            return
        self._held = None
        if not pending.typed or self.screen is not pending.place or not self.screen.is_modal:
            return
        if time.monotonic() - pending.since > PATIENCE:
            self.notify(TOO_LATE, severity="warning")
            return
        for event in pending.typed:
            await self._deliver(event)

    async def on_event(self, event: Event) -> None:
        if not isinstance(event, (Key, Paste)) or event.is_forwarded:
            await super().on_event(event)
        elif not self._takes(event):
            await self._deliver(event)

    async def _deliver(self, event: Event) -> None:
        """What a part of a form gets is heard there before the next goes anywhere: it may move the focus."""
        target = self.focused
        await super().on_event(event)
        if isinstance(target, (Field, Pick)):
            heard = asyncio.Event()
            if target.call_later(heard.set):  # behind it in the queue of that part
                with suppress(TimeoutError):
                    await asyncio.wait_for(heard.wait(), HEARD)

    def held_back(self, event: Key) -> bool:
        """Whether a key that nobody took is kept for the form too."""
        kept = self._takes(Key(event.key, event.character))
        if kept:
            event.prevent_default()
        return kept

    def _takes(self, event: Event) -> bool:
        held = self._held
        if (
            held is None
            or self.screen not in (held, held.place)
            or not self.screen.is_modal
            or _is_for_all(event)
        ):
            return False
        if held.is_left_by(event):
            self.drop(held)
        else:
            held.typed.append(event)
        return True


def _is_for_all(event: Event) -> bool:
    """Whether it leaves the screen or sends it to the background, whatever is shown."""
    return isinstance(event, Key) and event.key in ("ctrl+q", "ctrl+c", "ctrl+z")
