"""Words on top of the manifests: `suspend`, `resume`, `cordon`, `uncordon`. Stored first; then agents are told.

`control.draining` goes on from `say_of_agent`. What is stored stays, whether or not an agent could be told.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Mapping, NamedTuple

from xene.control.drive import drive
from xene.control.fire import resolve_target
from xene.control.place import Place
from xene.control.sessions import Open, open_channel
from xene.control.told import Told
from xene.errors import NotFound
from xene.model.ids import pipeline_key
from xene.store import agents, db, events, objects, overrides, pipelines
from xene.store.db import State
from xene.store.overrides import AGENT, CORDONED, DRAINED, PIPELINE, SUSPENDED, WORKFLOW


class Said(NamedTuple):
    """What became of a word. `kind` and `name` are what was meant; `changed`: it was not so already.

    `untold` are agents that fire what was meant, and could not be told, with why.
    """

    kind: str
    name: str
    changed: bool
    untold: Mapping[str, str] = {}


def suspend(place: Place, target: str, value: bool, *, open: Open = open_channel) -> Said:
    """Suspend `WORKFLOW` or `WORKFLOW/PIPELINE`, or resume it, and tell the agents. Raises NotFound."""
    with db.open_state(place.state, create=False) as state:
        workflow, pipeline = resolve_target(state, target)
        with state.transaction() as conn:
            changed = _suspend(conn, time.time(), workflow, pipeline, value)
            concerned = _concerned(conn, workflow, pipeline)
    kind, name = (WORKFLOW, workflow) if pipeline is None else (PIPELINE, pipeline_key(workflow, pipeline))
    wish = Told(concerned)
    drive(place, wish, open=open)
    untold = {agent: why for agent, why in wish.untold.items() if agent in concerned}
    return Said(kind, name, changed, untold)


def _suspend(conn: sqlite3.Connection, now: float, workflow: str, pipeline: str | None, value: bool) -> bool:
    """Store the word; True if it changes anything for any pipeline."""
    before = overrides.suspension(conn)
    if pipeline is None:
        below = before.by_manifest(workflow)
        overrides.forget_pipelines(conn, workflow, ())
        _put(conn, now, WORKFLOW, workflow, SUSPENDED, value, below)
    else:
        below = before.of_workflow(workflow)
        _put(conn, now, PIPELINE, pipeline_key(workflow, pipeline), SUSPENDED, value, below)
    after = overrides.suspension(conn)
    overrides.resumed(conn, now, before, workflow)
    changed = [
        row.name
        for row in pipelines.of_workflow(conn, workflow)
        if before.of_pipeline(workflow, row.name) != after.of_pipeline(workflow, row.name)
    ]
    reason = "Suspended" if value else "Resumed"
    if changed:
        pipelines.look_again(conn)
        kind, name = (WORKFLOW, workflow) if pipeline is None else (PIPELINE, f"{workflow}/{pipeline}")
        events.note(conn, now, kind, name, reason, f"by xene {'suspend' if value else 'resume'}")
    return bool(changed)


def _put(
    conn: sqlite3.Connection, now: float, kind: str, name: str, field: str, value: bool, below: bool
) -> None:
    """A yes is always kept; a no takes it back, and is kept where what stands below says yes."""
    if value or below:
        overrides.say(conn, now, kind, name, field, value)
    else:
        overrides.take_back(conn, kind, name, field)


def _concerned(conn: sqlite3.Connection, workflow: str, only: str | None) -> set[str]:
    """The agents that have these pipelines, or may have them, or are to get them."""
    found: set[str] = set()
    for row in pipelines.of_workflow(conn, workflow):
        if only in (None, row.name):
            found.update(holder.name for holder in agents.holders(conn, workflow, row.name))
            found.update([row.agent] if row.agent is not None else [])
    return found


def cordon(place: Place, agent: str, value: bool, *, open: Open = open_channel) -> Said:
    """Let an agent take nothing new, or let it take new things again. Raises NotFound.

    What it has stays with it. With `uncordon` what waited for an agent may be placed there at once.
    """
    with db.open_state(place.state, create=False) as state:
        changed = say_of_agent(state, agent, cordoned=value, drained=None if value else False)
    wish = Told([agent])
    if not value:
        drive(place, wish, open=open)
    return Said(AGENT, agent, changed, {name: why for name, why in wish.untold.items() if name == agent})


def say_of_agent(state: State, agent: str, *, cordoned: bool, drained: bool | None) -> bool:
    """Store both words about an agent; True if one of them changes anything. Raises NotFound.

    `drained` None: as it is. An agent that is drained is cordoned too.
    """
    if not state.exists:
        raise NotFound(f"there is no agent {agent}", hint="xene get agents")
    now = time.time()
    with state.transaction() as conn:
        before = agents.read(conn, agent)
        if before is None:
            raise NotFound(f"there is no agent {agent}", hint="xene get agents")
        drained = before.drained if drained is None else drained
        by_manifest = bool((objects.read(conn, AGENT, agent) or {"spec": {}})["spec"].get("cordon", False))
        _put(conn, now, AGENT, agent, CORDONED, cordoned, by_manifest)
        _put(conn, now, AGENT, agent, DRAINED, drained, below=False)
        agents.cordon(conn, agent, cordoned)
        changed = (before.cordoned, before.drained) != (cordoned, drained)
        if changed:
            pipelines.look_again(conn)
            word = "Drained" if drained else "Cordoned" if cordoned else "Uncordoned"
            verb = "drain" if drained else "cordon" if cordoned else "uncordon"
            events.note(conn, now, AGENT, agent, word, f"by xene {verb}")
    return changed
