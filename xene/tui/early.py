"""Keys that came before the rows that they are for were read: `2 enter` in one piece opens a run all the same.

The app is an `Expecting`: it keeps them in their order and has them done once the rows are there. What is typed for
a form that is still to come is kept by `pending`.
"""

from __future__ import annotations

from textual.events import Key
from textual.timer import Timer

from xene.tui.field import Field
from xene.tui.pending import PATIENCE, TOO_LATE, Holding
from xene.tui.sheet import Sheet

# Those that mean the same whatever the rows are; behind one that waits they wait too, but those that leave.
FREE = ("1", "2", "3", "4", "5", "slash", "escape", "question_mark", "q")
LEAVING = ("ctrl+q", "ctrl+c", "ctrl+z")


class Early:
    """Keys for one place, which is whatever their rows are for."""

    def __init__(self) -> None:
        self._place: object = None
        self._keys: list[Key] = []
        self._out: list[Key] = []  # those that were let go and did not come by again so far

    def __len__(self) -> int:
        return len(self._keys)

    def keeps(self, key: Key, place: object) -> bool:
        """Whether this one has to wait too. `place`: whose rows are not known yet, None where they are."""
        if place is None or place is not self._place:  # somewhere else nothing is done by old keys
            self._place, self._keys = place, []
        if place is None or key.key in LEAVING or not (self._keys or key.key not in FREE):
            return False
        self._keys.append(Key(key.key, key.character))
        return True

    def due(self, place: object) -> list[Key]:
        """Those that are to be done now at `place`. None are kept any more."""
        kept = self.drop()
        return kept if place is self._place else []

    def let_go(self, key: Key) -> Key:
        """It goes the way of all keys once more."""
        self._out.append(key)
        return key

    def overtakes(self, key: Key) -> bool:
        """Whether it was on its way when earlier ones were let go. They come by in their order, unless taken."""
        at = next((at for at, each in enumerate(self._out) if each is key), None)
        if at is not None:
            del self._out[: at + 1]
        return at is None and bool(self._out)

    def drop(self) -> list[Key]:
        """Keep none of them any more."""
        kept, self._keys = self._keys, []
        return kept


class Expecting(Holding):
    """An app that has what is pressed for rows wait for these, though not for as long as they like to take."""

    _limit: Timer | None = None

    def __init__(self) -> None:
        super().__init__()
        self._early = Early()

    def place(self) -> Sheet | None:
        """The list that keys are for, whether its rows are known or not; None where that makes no difference."""
        return None

    def _awaited(self) -> Sheet | None:
        place = self.place()
        return None if place is None or place.known else place

    async def on_key(self, event: Key) -> None:
        """Every key that nobody took comes by here, before it is looked up: `/abc` in one go is for the line."""
        if self._early.overtakes(event):
            event.prevent_default()
            await self._have(Key(event.key, event.character))
        elif self.held_back(event):
            return
        elif isinstance(self.focused, Field):
            self.focused.ahead(event)
        elif self._early.keeps(event, self._awaited()):
            event.prevent_default()
            if len(self._early) == 1:
                self._stop()
                self._limit = self.set_timer(PATIENCE, self._give_up)

    async def _have(self, key: Key) -> None:
        await super().on_event(self._early.let_go(key))

    def _give_up(self) -> None:
        if self._early.drop():
            self.notify(TOO_LATE, severity="warning")

    def _stop(self) -> None:
        if self._limit is not None:
            self._limit.stop()

    async def play_early(self) -> None:
        """Do what was pressed for rows that are there now, as if it were pressed now."""
        if not len(self._early) or self._awaited() is not None:
            return
        self._stop()
        for key in self._early.due(self.place()):
            await self._have(key)
