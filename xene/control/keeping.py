"""Keeping the state in line with a directory, or with a branch in git: when to apply, and what is said of it.

Called by `control.daemon` on the control thread. What applying means is `control.gitops`'s.
"""

from __future__ import annotations

import queue
import time
from typing import Any, Callable

from xene.control import gitops
from xene.control.branch import Branch
from xene.control.gitops import Standing
from xene.control.measure import APPLY, Measure
from xene.control.passes import Control
from xene.control.place import Place
from xene.control.watch import AGAIN, Moved, Watcher
from xene.store.db import State


class Keeping:
    """`directory` is absolute; `git`: it is a work tree, and the branch that it has checked out is followed."""

    def __init__(
        self, place: Place, directory: str, say: Callable[[str], None], measure: Measure, *, git: bool
    ) -> None:
        self._place, self._directory, self._git = place, directory, git
        self._say, self._measure = say, measure
        self._news: Watcher | Branch | None = None
        self._inbox: queue.SimpleQueue[Any] | None = None
        self._looked_at: float | None = None

    def open(self, state: State) -> None:
        """Watch it, until `close`."""
        if self._git:
            self._news = Branch(self._directory, self._place.checkout(state.uuid), self)
        else:
            self._news = Watcher(self._directory, self)

    def tell(self, inbox: queue.SimpleQueue[Any]) -> None:
        """From now on what moves is told to `inbox`, and the directory is looked at before long."""
        self._inbox, self._looked_at = inbox, None

    def put(self, moved: Moved) -> None:
        """Called on the thread of whoever watches."""
        if self._inbox is not None:
            self._inbox.put(moved)

    def close(self) -> None:
        """Watch it no longer. Harmless when repeated."""
        news, self._news = self._news, None
        if news is not None:
            news.close()

    def look(self, state: State, control: Control, *, again: bool) -> None:
        """Apply it when it moved, when asked to look again, and now and then. Raises Storage."""
        now = time.monotonic()
        moved = control.take_others(Moved)
        if again and isinstance(self._news, Branch):
            self._news.look_again()
        late = self._looked_at is None or now - self._looked_at >= AGAIN
        if not (moved or again or late):
            return
        with self._measure.timed(APPLY):
            found = self._bring(state)
        if found is not None:
            self._looked_at = now
            control.look_again()

    def _bring(self, state: State) -> Standing | None:
        """None where it is not known yet what there is."""
        with state.snapshot() as conn:
            before = gitops.read(conn)
        news = self._news
        if not isinstance(news, Branch):
            wanted = gitops.Wanted(self._directory, self._directory)
            standing = gitops.bring(self._place, state, wanted)
        else:
            with news.still:
                if news.seen is None:
                    return None
                seen = news.seen
                shown = (news.top, seen.root)
                wanted = gitops.Wanted(self._directory, seen.tree, shown, seen.revision, seen.error)
                standing = gitops.bring(self._place, state, wanted)
        self._tell(before, standing)
        return standing

    def _tell(self, before: Standing | None, standing: Standing) -> None:
        at = f" at {standing.revision[:12]}" if standing.revision else ""
        if standing.error and (before is None or before.error != standing.error):
            self._say(f"{self._directory} is not applied: {standing.error}")
        elif not standing.error and (before is None or before.applied_at != standing.applied_at):
            self._say(f"applied {self._directory}{at}")
        elif not standing.error and before is not None and before.error:
            self._say(f"{self._directory} is as the state has it again{at}")
