"""Names from the state, for the shell's completion. They never write, never complain, and offer nothing where
the state cannot be read: a completion must not disturb the line that is being typed. Called by `completion`.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
from typing import Any, Callable, Iterator

from xene.commands import kinds
from xene.commands.call import STATE_FILE, xene_home
from xene.errors import XeneError
from xene.model import phases
from xene.store import artifacts as stored
from xene.store import db, views
from xene.store.db import State

MANY = 200  # names offered at most


def _names(context: Any, read: Callable[[State], Iterator[str]]) -> list[str]:
    state = _state(context)
    try:
        with db.open_for_reading(state) as opened:
            return list(itertools.islice(read(opened), MANY))
    except (XeneError, OSError, sqlite3.Error):
        return []


def _state(context: Any) -> str:
    """The state that the line being typed names."""
    given = None
    while context is not None and not given:
        given = (context.params or {}).get("state")
        context = context.parent
    path = given or os.environ.get("XENE_STATE") or os.path.join(xene_home(), STATE_FILE)
    return os.path.abspath(os.path.expanduser(path))


def runs(ctx: Any, incomplete: str) -> list[str]:
    """Ids of runs and, as their newest run, pipelines."""
    return _names(ctx, lambda state: _runs(state, "/" in incomplete))


def _runs(state: State, by_pipeline: bool) -> Iterator[str]:
    if not by_pipeline:
        yield from (row["id"] for row in views.runs(state, limit=MANY // 2))
    yield from _pipelines(state)


def _pipelines(state: State) -> Iterator[str]:
    return (f"{row['workflow']}/{row['name']}" for row in views.pipelines(state, limit=MANY))


def _workflows(state: State) -> Iterator[str]:
    return (row["name"] for row in views.workflows(state, limit=MANY))


def agents(ctx: Any, _: str) -> list[str]:
    """Names of agents."""
    return _names(ctx, lambda state: (row["name"] for row in views.agents(state, limit=MANY)))


def targets(ctx: Any, _: str) -> list[str]:
    """What can be run: workflows and pipelines."""

    def both(state: State) -> Iterator[str]:
        yield from _workflows(state)
        yield from _pipelines(state)

    return _names(ctx, both)


def pipelines(ctx: Any, _: str) -> list[str]:
    """Names of pipelines, with their workflows."""
    return _names(ctx, _pipelines)


def kind_names(_: Any, __: str) -> list[str]:
    """The kinds of `get` and `describe`."""
    return [kind.name for kind in kinds.ALL]


def names(ctx: Any, incomplete: str) -> list[str]:
    """Names of the kind that stands before, in `get KIND NAME`."""
    try:
        kind = kinds.kind_of((ctx.params or {}).get("kind") or "")
    except XeneError:
        return []
    readers: dict[str, Callable[[State], Iterator[str]]] = {
        "workflows": _workflows,
        "pipelines": _pipelines,
        "runs": lambda state: _runs(state, "/" in incomplete),
        "slots": _pipelines,
        "agents": lambda state: (row["name"] for row in views.agents(state, limit=MANY)),
        "secrets": lambda state: (row["name"] for row in views.secrets(state, limit=MANY)),
        "templates": lambda state: (row["name"] for row in views.templates(state, limit=MANY)),
    }
    return _names(ctx, readers[kind.name]) if kind.name in readers else []


def explained(ctx: Any, incomplete: str) -> list[str]:
    """`KIND/NAME` for `why`: first the kinds, then their names."""
    word, slash, _ = incomplete.partition("/")
    if not slash:
        return [
            f"{kind.one}/"
            for kind in (kinds.WORKFLOWS, kinds.PIPELINES, kinds.RUNS, kinds.SLOTS, kinds.AGENTS)
        ]
    readers = {
        "workflow": _workflows,
        "pipeline": _pipelines,
        "run": lambda state: _runs(state, incomplete.count("/") > 1),
        "slot": _pipelines,
        "agent": lambda state: (row["name"] for row in views.agents(state, limit=MANY)),
    }
    reader = readers.get(word)
    return [f"{word}/{name}" for name in _names(ctx, reader)] if reader else []


def tasks(ctx: Any, _: str) -> list[str]:
    """Tasks, and TASK/STEP, of the run that stands before, in `logs RUN TASK/STEP`."""
    run = (ctx.params or {}).get("run") or ""

    def read(state: State) -> Iterator[str]:
        for task, view in views.run(state, views.resolve_run(state, run))["tasks"].items():
            yield task
            yield from (f"{task}/{step['name']}" for step in view["steps"])

    return _names(ctx, read)


def artifacts(ctx: Any, _: str) -> list[str]:
    """Names of artifacts of the run that stands before, in `artifacts RUN NAME`."""
    run = (ctx.params or {}).get("run") or ""

    def read(state: State) -> Iterator[str]:
        rows = stored.view(state, views.resolve_run(state, run))
        return iter(dict.fromkeys(row["name"] for row in rows))

    return _names(ctx, read)


def approvals(ctx: Any, _: str) -> list[str]:
    """Tasks of the run that stands before which wait for an approval."""
    run = (ctx.params or {}).get("run") or ""

    def read(state: State) -> Iterator[str]:
        found = views.run(state, views.resolve_run(state, run))["tasks"]
        return (name for name, each in found.items() if each["reason"] == phases.WAITING_FOR_APPROVAL)

    return _names(ctx, read)
