"""`xene get`: lists of objects, and one object. It only reads."""

from __future__ import annotations

import json
import select
import sys
import time
from typing import Annotated, Any, Callable, Optional, Sequence

import typer

from xene.commands import completion, freshness, kinds, listing, options, tables
from xene.commands.call import Call
from xene.commands.kinds import Kind
from xene.commands.tables import Row
from xene.errors import Usage
from xene.store import db

POLL = 0.3  # seconds between two looks at a state that is watched


KindArgument = Annotated[
    str,
    typer.Argument(
        metavar="KIND",
        help="workflows, pipelines, runs, slots, agents, secrets, templates, tokens or events;"
        " also workflow, wf, pl, r, sl, ag, sec, tpl, tok, ev.",
        autocompletion=completion.kind_names,
    ),
]
Name = Annotated[
    Optional[str],
    typer.Argument(
        metavar="NAME",
        help="One object; a run also by WORKFLOW/PIPELINE; slots of WORKFLOW[/PIPELINE[/TRIGGER]][@TIME].",
        autocompletion=completion.names,
    ),
]
Selector = Annotated[
    Optional[str],
    typer.Option(
        "--selector",
        "-l",
        metavar="SELECTOR",
        help="By labels: a=b,c!=d,e in (x,y),f,!g (runs: the workflow's).",
    ),
]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Go on and print what changes.")]
Limit = Annotated[int, typer.Option("--limit", metavar="N", help="At most so many; 0: all. Default 50.")]
Phase = Annotated[Optional[str], typer.Option("--phase", metavar="PHASE", help="Those in this phase.")]
Outcome = Annotated[
    Optional[str],
    typer.Option(
        "--outcome",
        metavar="OUTCOME",
        help="Runs that ended in success or error; slots that are fired, skipped, missed, expired or unknown.",
    ),
]
Since = Annotated[
    Optional[str],
    typer.Option(
        "--since", metavar="TIME", help="Runs, slots and events since 10m, 2h ... ago, or an RFC 3339 time."
    ),
]


def get(
    call: Call,
    kind: KindArgument,
    name: Name = None,
    selector: Selector = None,
    watch: Watch = False,
    limit: Limit = 50,
    phase: Phase = None,
    outcome: Outcome = None,
    since: Since = None,
) -> int:
    """List objects of one kind, or show one.

    With -o json a list, or with NAME one object. With -w one line for every change, JSON one object a line.
    """
    wanted = kinds.kind_of(kind)
    if limit < 0:
        raise Usage("--limit: a count is wanted; 0 is all")
    asked = listing.Filter(selector, phase, outcome, options.instant(since, "--since"), limit or None)
    asked.checked(wanted)

    def look(state: db.State) -> list[Row]:
        if name is None:
            return listing.rows(state, wanted, asked)
        if wanted is kinds.EVENTS:
            return listing.events_of(state, name, asked)
        if wanted is kinds.SLOTS:
            return listing.slots_of(state, name, asked)
        return [listing.one(state, wanted, name)]

    if watch:
        return _watch(call, wanted, look)
    with db.open_for_reading(call.state) as state:
        rows = look(state)
        one = name is not None and wanted not in (kinds.EVENTS, kinds.SLOTS)
        show(call, wanted, rows, one=one)
    if wanted is not kinds.WORKFLOWS:
        freshness.tell(call, call.state)
    return 0


def show(call: Call, kind: Kind, rows: Sequence[Row], *, one: bool = False) -> None:
    """Print rows in the form asked for; `one`: as one object."""
    if call.structured:
        call.put_value(rows[0] if one else list(rows))
    elif call.form == "name":
        call.put("".join(f"{kind.one}/{kind.key(row)}\n" for row in rows) or "")
    elif rows:
        call.put(tables.render(rows, kind.shown(call.form), time.time(), color=call.color()))
    else:
        call.say(f"no {kind.name}")


def _watch(call: Call, kind: Kind, look: Callable[[db.State], list[Row]]) -> int:
    """Print what is there, then every row that is new or differs; until Ctrl-C."""
    seen: dict[str, Any] = {}
    widths: list[int] = []
    while True:
        with db.open_for_reading(call.state) as state:
            version = state.data_version() if state.exists else None
            while True:
                changed = [row for row in look(state) if seen.get(_key(kind, row)) != row]
                if kind in (kinds.RUNS, kinds.EVENTS, kinds.SLOTS):
                    changed.reverse()  # lists are newest first; a stream is read downwards
                seen.update((_key(kind, row), row) for row in changed)
                _print_changed(call, kind, changed, widths)
                version = _changed(state, version)
                if version is None:
                    break


def _key(kind: Kind, row: Row) -> str:
    return json.dumps(row) if kind is kinds.EVENTS else kind.key(row)


def _changed(state: db.State, version: int | None) -> int | None:
    """Wait until the state has changed; its new version. None if it should be opened anew."""
    while version is not None:
        _rest()
        now = state.data_version()
        if now != version:
            return now
    _rest()
    return None


def _rest() -> None:
    """Wait for a moment. Raises BrokenPipeError when nobody reads any more: `get -w | head` shall end."""
    try:
        stdout = sys.stdout.fileno()
    except (OSError, ValueError):
        time.sleep(POLL)
        return
    ends = select.poll()
    ends.register(stdout, 0)  # nothing but POLLERR and POLLHUP
    if ends.poll(POLL * 1000):
        raise BrokenPipeError


def _print_changed(call: Call, kind: Kind, rows: Sequence[Row], widths: list[int]) -> None:
    """Print rows of a watch; `widths` are those of the columns so far, empty until the header was printed."""
    if not rows:
        return
    if call.form == "json":
        call.put("".join(json.dumps(row) + "\n" for row in rows))
    elif call.form == "yaml":
        call.put("---\n")
        call.put_value(list(rows))
    elif call.form == "name":
        show(call, kind, rows)
    else:
        columns = kind.shown(call.form)
        now, color = time.time(), call.color()
        call.put(tables.render(rows, columns, now, color=color, header=not widths, widths=widths))
    call.flush()
