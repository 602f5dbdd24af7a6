"""`xene gc`: frees what nobody needs, on the control host and on the hosts of the agents."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xene.agent.tarballs import size_text
from xene.commands.call import Call
from xene.commands.slow import slow
from xene.commands.tables import Column, Row, render
from xene.commands.text import one_line
from xene.store import db

if TYPE_CHECKING:
    from xene.control.gc import Freed
    from xene.control.sweeping import Swept

UNREACHABLE = 5
CONTROL = "control"
COLUMNS = (
    Column("WHERE", lambda row, _: row["where"]),
    Column("WHAT", lambda row, _: row["what"]),
    Column("COUNT", lambda row, _: row["count"]),
    Column("BYTES", lambda row, _: size_text(row["bytes"])),
)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be freed; change nothing.")]


def gc(call: Call, dry_run: DryRun = False) -> int:
    """Free what nobody needs any more, and say how much that is, here and on each host.

    Here: runs past the history that their pipelines keep, slots of 400 days ago, files without a run, old crash
    reports and bundles, free pages of the state. On hosts: agent code of other versions, homes and runs that nobody
    knows. Exit 5 where an agent could not be asked; the others are done all the same.
    """
    from xene.control import gc as control
    from xene.control import sweeping
    from xene.control.place import Place

    place = Place(call.state, call.home)
    with slow(call, "looking"), db.open_state(call.state, create=False) as state:
        freed = control.free(place, state, time.time(), dry=dry_run) if state.exists else []
        swept = sweeping.sweep(place, state, dry=dry_run) if state.exists else []
    if call.structured:
        call.put_value(as_value(freed, swept, dry_run))
    else:
        show(call, freed, swept, dry_run)
    for each in swept:
        if each.error:
            call.warn(f"agent {each.agent} could not be asked: {one_line(each.error)}")
    return UNREACHABLE if any(each.error for each in swept) else 0


def as_value(freed: list[Freed], swept: list[Swept], dry: bool) -> dict[str, Any]:
    """For programs."""
    here = [each.to_json() for each in freed]
    return {
        "dryRun": dry,
        "bytes": sum(each.bytes for each in freed) + sum(each.bytes for each in swept),
        "control": {"bytes": sum(each.bytes for each in freed), "what": here},
        "agents": [
            {"agent": each.agent, "bytes": each.bytes, "what": each.what, "error": each.error}
            for each in swept
        ],
    }


def show(call: Call, freed: list[Freed], swept: list[Swept], dry: bool) -> None:
    """A table, and its sum."""
    rows: list[Row] = [{"where": CONTROL, **each.to_json()} for each in freed]
    rows += [{"where": each.agent, **what} for each in swept for what in each.what]
    if rows:
        call.put(render(rows, COLUMNS, time.time(), color=call.color()))
    total = size_text(sum(row["bytes"] for row in rows))
    word = "would be freed" if dry else "freed"
    call.say(f"{total} {word}" if rows else "there is nothing to free")
