"""`xene describe`: one object in full, its events, its last runs. It only reads."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from xene.commands import completion, freshness, kinds, listing, pages
from xene.commands.call import Call
from xene.commands.kinds import Kind
from xene.commands.tables import Row
from xene.errors import NotFound
from xene.store import db, notice_views, views
from xene.store.db import State

EVENTS = 20
RUNS = 10
SLOTS = 10
NOTICES = 10


def describe(
    call: Call,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="workflow, pipeline, run, slot, agent, secret, template, token or event.",
            autocompletion=completion.kind_names,
        ),
    ],
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="The object's name, or RUN.", autocompletion=completion.names),
    ],
) -> int:
    """Show one object in full, its last events and its last runs.

    With -o json the object as 'get' prints it, with `events` and, where it has some, `runs`,
    `pipelines`, `triggers` (those of time), `webhooks`, `slots`, `notices` (not delivered yet) and `description`.
    For events NAME is the object that they are about, such as run/shop/build.
    """
    wanted = kinds.kind_of(kind)
    if wanted is kinds.EVENTS:
        return describe_events(call, name)
    with db.open_for_reading(call.state) as state, state.snapshot():
        row = listing.one(state, wanted, name)
        more = around(state, wanted, row)
    if call.structured:
        call.put_value({**row, **more})
    else:
        call.put(page(wanted, row, more, time.time(), call.color()))
        freshness.tell(call, call.state)
    return 0


def describe_events(call: Call, name: str) -> int:
    """The last events of one object, each in full."""
    with db.open_for_reading(call.state) as state:
        rows = listing.events_of(state, name, listing.Filter(limit=EVENTS))
    if not rows:
        raise NotFound(f"there is no event about {name}", hint="xene get events")
    if call.structured:
        call.put_value(rows)
    else:
        now = time.time()
        call.put("\n".join(pages.event(row, now, call.color()) for row in rows))
    return 0


def around(state: State, kind: Kind, row: Row) -> dict[str, Any]:
    """What belongs to an object: its events, its runs, its pipelines; of a workflow also its description."""
    out: dict[str, Any] = {}
    if kind is kinds.WORKFLOWS:
        out["description"] = views.description(state, row["name"])
        out["pipelines"] = views.pipelines(state, workflow=row["name"])
        out["triggers"] = views.triggers(state, row["name"])
        out["webhooks"] = views.webhooks(state, row["name"])
        out["slots"] = views.slots(state, workflow=row["name"], limit=SLOTS)
        out["runs"] = views.runs(state, workflow=row["name"], limit=RUNS)
    elif kind is kinds.PIPELINES:
        out["triggers"] = views.triggers(state, row["workflow"], row["name"])
        out["webhooks"] = views.webhooks(state, row["workflow"], row["name"])
        out["slots"] = views.slots(state, workflow=row["workflow"], pipeline=row["name"], limit=SLOTS)
        out["runs"] = views.runs(state, workflow=row["workflow"], pipeline=row["name"], limit=RUNS)
        out["notices"] = notice_views.waiting(state.conn, row["workflow"], row["name"], NOTICES)
    elif kind is kinds.TEMPLATES:
        out["description"] = views.description(state, row["name"], kind.object)
    elif kind is kinds.AGENTS:
        out["pipelines"] = views.pipelines(state, agent=row["name"])
        out["runs"] = views.runs(state, agent=row["name"], limit=RUNS)
    out["events"] = views.events(state, kind=kind.object, name=kind.key(row), limit=EVENTS)
    return out


def page(kind: Kind, row: Row, more: dict[str, Any], now: float, color: bool) -> str:
    """The text of one object with what belongs to it."""
    sections: list[tuple[str, str, Any]] = [
        ("Pipelines", "pipelines", kinds.PIPELINES),
        ("Last slots", "slots", kinds.SLOTS),
        ("Last runs", "runs", kinds.RUNS),
        ("Events", "events", kinds.EVENTS),
    ]
    if kind is kinds.WORKFLOWS:
        text = pages.workflow(row, more["pipelines"], color, more["description"])
        sections = sections[1:]
    elif kind is kinds.TEMPLATES:
        text = pages.template(row, more["description"], color)
    else:
        text = pages.PAGES[kind.name](row, now, color)
    if more.get("triggers"):
        text += pages.triggers(more["triggers"], color)
    if more.get("webhooks"):
        text += pages.webhooks(more["webhooks"], color)
    if more.get("notices"):
        text += pages.notices(more["notices"], color)
    return text + "".join(
        pages.section(title, more.get(key, []), shown, now, color) for title, key, shown in sections
    )
