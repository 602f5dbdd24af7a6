"""Artifacts of an ended run brought to the control host. Called by `control.fire` and `xene artifacts`."""

from __future__ import annotations

from typing import Callable

from xene.control.drive import drive
from xene.control.fetching import fetched_bytes
from xene.control.follow import Ended
from xene.control.passes import Control
from xene.control.place import Place
from xene.control.sessions import Open, open_channel
from xene.errors import Conflict
from xene.store import artifacts, runs, views
from xene.store.db import State

Progress = Callable[[int], None]


class _Here(Ended):
    """The artifacts of an ended run are here, or its agent is away. `progress` is told how many bytes there are."""

    def __init__(self, place: Place, state: State, run: str, progress: Progress | None, open: Open) -> None:
        with state.snapshot() as conn:
            (status,) = runs.statuses(conn, [run])
        super().__init__(place, [run], first=[status.agent], open=open)
        self._directory, self._run, self._progress = place.artifacts(state.uuid), run, progress

    def look(self, state: State, control: Control | None) -> None:
        super().look(state, control)
        if self._progress is not None:
            self._progress(fetched_bytes(self._directory, self._run))


def bring(
    place: Place, state: State, reference: str, progress: Progress | None = None, *, open: Open = open_channel
) -> str:
    """The id of the run that `reference` names, once its artifacts are here, as far as they can be had.

    Raises NotFound, Conflict where it has not ended.
    """
    run = views.resolve_run(state, reference)
    with state.snapshot() as conn:
        (status,) = runs.statuses(conn, [run])
        missing = artifacts.awaited(conn, run)
    if not status.ended:
        raise Conflict(
            f"run {run} has not ended: its artifacts come to the control host when it has",
            hint=f"xene wait {run}",
        )
    if missing:
        drive(place, _Here(place, state, run, progress, open), stored=False, open=open)
    return run
