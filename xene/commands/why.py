"""`xene why KIND/NAME`: what stands behind the state of an object. It only reads."""

from __future__ import annotations

from typing import Annotated

import typer

from xene.commands import completion, freshness, kinds, listing
from xene.commands.call import Call
from xene.commands.kinds import Kind
from xene.commands.tables import Row
from xene.commands.text import printable
from xene.errors import Usage
from xene.model import phases
from xene.model.units import rfc3339
from xene.store import db, leases, notice_views, views
from xene.store.db import State

EXPLAINED = (kinds.WORKFLOWS, kinds.PIPELINES, kinds.RUNS, kinds.SLOTS, kinds.AGENTS)


def why(
    call: Call,
    target: Annotated[
        str,
        typer.Argument(
            metavar="KIND/NAME",
            help="Such as pipeline/shop/build, run/shop/build, slot/shop/build/nightly@TIME, agent/build-1.",
            autocompletion=completion.explained,
        ),
    ],
) -> int:
    """Say why an object is in its state: placement agent by agent, what a run waits for, the last SSH error.

    With -o json the object's kind, name and phase, and the lines.
    """
    with db.open_for_reading(call.state) as state, state.snapshot():
        kind, name = parse(target, state)
        row = listing.one(state, kind, name)
        lines = explain(state, kind, row)
        if call.structured:
            call.put_value(
                {"kind": kind.one, "name": kind.key(row), "phase": row.get("phase"), "lines": lines}
            )
            return 0
        call.put("".join(f"{printable(line)}\n" for line in lines))
    freshness.tell(call, call.state)
    return 0


def parse(target: str, state: State) -> tuple[Kind, str]:
    """Kind and name of `KIND/NAME`; the name may hold more slashes. `WORKFLOW/PIPELINE` alone is a pipeline.

    Raises Usage.
    """
    word, slash, name = target.partition("/")
    if not slash or not name:
        raise Usage(f"'{target}' is not KIND/NAME", hint="such as pipeline/shop/build or agent/build-1")
    try:
        return kinds.kind_of(word, EXPLAINED), name
    except Usage:
        if views.pipelines(state, workflow=word, name=name):
            return kinds.PIPELINES, target
        raise


def explain(state: State, kind: Kind, row: Row) -> list[str]:
    """The lines for one object; the first says its state."""
    from xene.plan import explain as plan
    from xene.plan import explain_run, explain_slot

    agents = views.agents(state)
    if kind is kinds.RUNS:
        agent = next((each for each in agents if each["name"] == row["agent"]), None)
        older = _older(state, row)
        return explain_run.run(row, agent, _pipeline(state, row["workflow"], row["pipeline"]), older)
    if kind is kinds.PIPELINES:
        found = views.workflows(state, name=row["workflow"])
        lines = plan.pipeline(row, found[0] if found else None, agents)
        lines += _leases(state, row) + _fires(state, row) + _notices(state, row)
        return lines + _behind(state, found)
    if kind is kinds.SLOTS:
        agent = next((each for each in agents if each["name"] == row["agent"]), None)
        return explain_slot.slot(row, _pipeline(state, row["workflow"], row["pipeline"]), agent)
    if kind is kinds.WORKFLOWS:
        lines = plan.workflow(row, views.pipelines(state, workflow=row["name"]), agents)
        return lines + _behind(state, [row])
    lines = plan.agent(row, views.pipelines(state, agent=row["name"]), _open_runs(state, row["name"]))
    return lines + _lease_of(state, row["name"])


def _behind(state: State, workflows: list[Row]) -> list[str]:
    """That the directory it comes from is not applied as it is now, and why."""
    from xene.control import gitops

    standing = gitops.read(state.conn)
    if standing is None or not standing.error or not any(w["source"] == standing.source for w in workflows):
        return []
    seen = rfc3339(standing.looked_at)
    return [f"what stood in {standing.directory} at {seen} is not applied: {standing.error}"]


def _lease_of(state: State, agent: str) -> list[str]:
    """What there is to say of an agent's lease."""
    from xene.control.leasing import read_clock
    from xene.plan import explain_lease
    from xene.plan.leases import Lease

    held = [explain_lease.Held(*each) for each in leases.held(state.conn, agent=agent)]
    found = next((Lease(*each) for each in leases.every(state.conn) if each.agent == agent), None)
    return explain_lease.agent(held, found, read_clock())


def _leases(state: State, row: Row) -> list[str]:
    """What there is to say of the leases under which a pipeline is held."""
    from xene.control.leasing import read_clock
    from xene.plan import explain_lease
    from xene.plan.leases import Lease

    rows = leases.held(state.conn, workflow=row["workflow"], pipeline=row["name"])
    known = {each.agent: Lease(*each) for each in leases.every(state.conn)}
    held = [explain_lease.Held(*each) for each in rows]
    return explain_lease.pipeline(row["agent"], held, known, read_clock())


def _fires(state: State, row: Row) -> list[str]:
    """What is due for a pipeline, what became of what was, and which webhooks start it."""
    from xene.plan import explain_slot, explain_webhook

    triggers = views.triggers(state, row["workflow"], row["name"])
    slots = views.slots(state, workflow=row["workflow"], pipeline=row["name"], limit=explain_slot.LAST)
    webhooks = views.webhooks(state, row["workflow"], row["name"])
    return explain_slot.pipeline(row, triggers, slots) + explain_webhook.pipeline(row, webhooks)


def _notices(state: State, row: Row) -> list[str]:
    """What people are still to be told of a pipeline."""
    from xene.control import lock
    from xene.plan import explain_notice

    waiting = notice_views.waiting(state.conn, row["workflow"], row["name"], explain_notice.SHOWN + 1)
    return explain_notice.pipeline(waiting, waiting != [] and lock.controls(state.path))


def _older(state: State, row: Row) -> list[Row]:
    """Runs of the same pipeline that came before and have not ended, oldest first."""
    same = views.runs(state, workflow=row["workflow"], pipeline=row["pipeline"], limit=200)
    return [
        each
        for each in reversed(same)
        if each["phase"] not in phases.ENDED
        and (each["createdAt"], each["id"]) < (row["createdAt"], row["id"])
    ]


def _pipeline(state: State, workflow: str, name: str) -> Row | None:
    found = views.pipelines(state, workflow=workflow, name=name)
    return found[0] if found else None


def _open_runs(state: State, agent: str) -> list[Row]:
    return [row for row in views.runs(state, agent=agent, limit=200) if row["phase"] not in phases.ENDED]
