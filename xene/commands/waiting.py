"""Waiting for runs, for `run`, `wait`, `cancel`, `kill`. Ctrl-C and a timeout end the waiting, never the run."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import Any, Sequence

from xene.commands import kinds, progress
from xene.commands.call import Call
from xene.commands.follow import Show
from xene.commands.get import show as show_rows
from xene.commands.slow import slow
from xene.commands.tables import Row
from xene.commands.text import plural
from xene.errors import Detached, TimedOut

Runs = list[dict[str, Any]]


def until_ended(
    call: Call,
    ids: Sequence[str],
    *,
    timeout: float | None = None,
    show: Show | None = None,
    phase: str | None = None,
    fire: str | None = None,
) -> Runs:
    """Wait for all of them (or for `phase`) and give them. Raises Detached on Ctrl-C, TimedOut."""
    from xene.control import follow
    from xene.control.place import Place

    place = Place(call.state, call.home)
    try:
        with nullcontext() if show is not None else slow(call, f"waiting for {plural(len(ids), 'run')}"):
            return follow.until_ended(
                place, ids, timeout=timeout, show=show, logs=show is not None, phase=phase, fire=fire
            )
    except KeyboardInterrupt:
        raise detached(ids) from None
    except TimedOut:
        more = f"and {len(ids) - 1} more " if len(ids) > 1 else ""
        raise TimedOut(
            f"the time is up, and run {ids[0]} {more}go{'es' if len(ids) == 1 else ''} on",
            hint=f"xene wait {ids[0]}",
        ) from None
    finally:
        if show is not None:
            show.close()


def detached(ids: Sequence[str]) -> Detached:
    """What Ctrl-C says: what goes on, and how to stop it."""
    what = "the run goes on" if len(ids) == 1 else f"{len(ids)} runs go on"
    return Detached(
        f"detached; {what}", hint=f"to stop {'it' if len(ids) == 1 else 'one'}: xene cancel {ids[0]}"
    )


def told(call: Call, runs: Sequence[Row], *, seen: bool = False) -> int:
    """Say how ended runs ended, on stderr, unless that was `seen` already; 0 if all did well, else 1."""
    for run in runs:
        if run["phase"] != "Success" and not seen:
            call.say(f"{progress.title(run)}: {progress.state(run, time.time())}")
    failed = [run for run in runs if run["phase"] == "Error"]
    if failed:
        call.hint(f"xene why run/{failed[0]['id']}")
    return 0 if progress.ended_well(runs) else 1


def put(call: Call, runs: Sequence[Row], *, one: bool = False) -> None:
    """Runs on stdout: JSON or YAML (a list, or one object), or a table."""
    show_rows(call, kinds.RUNS, runs, one=one)


def still_wished(run: str) -> Detached:
    """What Ctrl-C says while a run is being stopped."""
    return Detached(f"detached; run {run} is still being stopped", hint=f"xene get run {run}")
