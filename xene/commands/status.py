"""`xene status`: everything at a glance, on a terminal as a live screen (`tui`), else as a table. It only reads."""

from __future__ import annotations

import os
import sys
import time
from typing import Annotated, Any, Optional, Sequence

import typer

from xene.commands import listening, pictures
from xene.commands.call import STATE_FILE, Call
from xene.commands.listening import Insecure
from xene.commands.tables import Row
from xene.errors import Usage
from xene.plan import overview as plan
from xene.plan import phase_words
from xene.plan.drawing.spans import BOLD, DIM, Line, Span, clean, columns
from xene.store import db
from xene.store import overview as stored
from xene.tui import served

DEFAULT_ADDRESS = "127.0.0.1:8090"
MARKS = 12  # last runs of a pipeline in the table
GAP = "   "

Selector = Annotated[
    Optional[str],
    typer.Option(
        "--selector", "-l", metavar="SELECTOR", help="Workflows by labels: a=b,c!=d,e in (x,y),f,!g."
    ),
]


Serve = Annotated[bool, typer.Option("--serve", help="Show the screen in a browser, at ADDRESS.")]
ReadOnly = Annotated[
    bool,
    typer.Option(
        "--read-only", help="Show everything, do nothing: for a copy of a state, for a screen on a wall."
    ),
]
Address = Annotated[
    Optional[str],
    typer.Argument(metavar="HOST:PORT", help="With --serve: where; default 127.0.0.1:8090."),
]


def status(
    call: Call,
    address: Address = None,
    selector: Selector = None,
    serve: Serve = False,
    read_only: ReadOnly = False,
    insecure: Insecure = False,
) -> int:
    """Show all pipelines and agents at a glance: where they are, their last runs, what waits and why.

    On a terminal a live screen: q leaves it, ? lists the keys. What it does is done by commands, which it shows.
    Elsewhere, and with -o, a table.

    Runs are marks, the newest on the right: ✓ Success, ✗ Error, ● under way, ◌ Queued, ? Unknown. Lines with !!
    tell of slots that were missed in the last 7 days and of runs of which nobody knows how they are. Where no
    controller is at work the page says as of when its states are.

    With --serve the same screen in a browser, for who has a token of role admin, or of role read, which cannot act;
    'xene token create' makes one.

    -o json prints {controller, repo, asOf, alarms, pipelines, agents}.
    """
    if serve:
        if selector is not None:
            _labels(selector)
        words = [*(["--read-only"] if read_only else []), *(["-l", selector] if selector is not None else [])]
        return serve_at(call, address or DEFAULT_ADDRESS, insecure, words)
    if address is not None or insecure:
        raise Usage("HOST:PORT and --insecure belong to --serve")
    if call.form == "table" and is_terminal():
        return live(call, selector, read_only)
    found = look(call, selector, MARKS if call.form == "table" else stored.LAST)
    if call.structured:
        call.put_value(found)
    else:
        pictures.put(call, page(found, time.time(), wide=call.form == "wide"))
    return 0


def is_terminal() -> bool:
    """Whether there is a terminal that can show a screen, with somebody in front of it."""
    if served.role():
        return True
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return all(stream.isatty() for stream in streams) and os.environ.get("TERM", "dumb") != "dumb"


def live(call: Call, selector: str | None, read_only: bool) -> int:
    """The live screen, until it is left."""
    if call.no_color:
        os.environ["NO_COLOR"] = "1"
    if selector is not None:
        _labels(selector)
    from xene.tui import app

    usual = os.environ.get("XENE_STATE") or os.path.join(call.home, STATE_FILE)
    named = call.state != os.path.abspath(os.path.expanduser(usual))
    app.run(
        call.state,
        call.home,
        named=named,
        read_only="it was called with --read-only" if read_only else why_not(call.state),
        filter=selector or "",
        keeps=served.role()
        != "read",  # who may only look changes nothing here, not even what the screen keeps
    )
    return 0


def serve_at(call: Call, text: str, insecure: bool, words: Sequence[str]) -> int:
    """The screen in a browser, called with these words too, until Ctrl-C.

    Raises Usage for an address beyond this host, if not asked for.
    """
    host, port = listening.address(text)
    if not insecure and not listening.is_loopback(host):
        raise Usage(
            f"{text}: beyond this host tokens and all that is shown would be sent in the clear",
            hint="127.0.0.1 behind a proxy with TLS, or through ssh -L; or --insecure",
        )
    from xene.tui import serving

    serving.serve(call.state, host, port, call.say, words)
    return 0


def why_not(path: str) -> str:
    """Why nothing can be done to this state, "" where everything can."""
    if served.role() == "read":
        return "the token is for reading alone"
    if os.path.exists(path) and not os.access(path, os.W_OK):
        return "this state may only be read"
    return ""


def look(call: Call, selector: str | None, last: int) -> Row:
    """The whole of one moment, as JSON. Raises Usage for a selector that is none."""
    from xene.control import overview

    given = {} if selector is None else {"labels": _labels(selector)}
    with db.open_for_reading(call.state) as state:
        if not state.exists:
            call.say(f"there is no state at {call.state} yet: xene apply makes it")
        return overview.look(state, time.time(), last=last, **given)


def _labels(selector: str) -> Any:
    from xene.plan import selectors

    requirements = selectors.parse(selector)
    return lambda labels: selectors.matches(requirements, labels)


def page(found: Row, now: float, *, wide: bool = False) -> list[Line]:
    """The page: who is at work, what must not be overlooked, pipelines, agents."""
    lines = [plan.control(found, now, "'xene reconcile' makes a pass")]
    if found["repo"]:
        lines.append(plan.repository(found["repo"], now))
    lines += [plan.alarm_line(alarm) for alarm in plan.alarms(found["alarms"], now)]
    lines += [(), *pipelines(found, now, wide=wide), (), *agents(found, now, wide=wide)]
    return lines


def pipelines(found: Row, now: float, *, wide: bool) -> list[Line]:
    """A line for each pipeline. `wide` shows all the runs that were read, and reasons in full."""
    by_name = {agent["name"]: agent for agent in found["agents"]}
    head = ("PIPELINE", "AGENT", "PHASE", "RUNS", "LAST", "NEXT", "WAITS")
    count = stored.LAST if wide else MARKS
    rows = [
        (
            text(f"{row['workflow']}/{row['name']}"),
            text(row["agent"] or "-"),
            (Span(phase_words.pipeline(row), row["phase"]),),
            plan.strip(row["runs"], count) or text("-"),
            plan.newest(row["runs"], now),
            text(plan.countdown(row["nextFire"], now)),
            text(plan.waits(row, by_name) or "-"),
        )
        for row in found["pipelines"]
    ]
    return laid_out(head, rows) if rows else [(Span("no pipelines: xene apply PATH", DIM),)]


def agents(found: Row, now: float, *, wide: bool) -> list[Line]:
    """A line for each agent. `wide` adds labels and host."""
    head = ("AGENT", "PHASE", "USED", "SEEN", "VERSION", "REASON", *(("LABELS", "HOST") if wide else ()))
    rows = [
        (
            text(row["name"]),
            (Span(phase_words.agent(row), row["phase"]),),
            text(plan.load(row)),
            text(plan.seen(row, now)),
            text((row["version"] or "-")[:12]),
            text(_reason(row) or "-"),
            *((text(_labels_of(row) or "-"), text(row["facts"].get("hostname") or "-")) if wide else ()),
        )
        for row in found["agents"]
    ]
    return laid_out(head, rows) if rows else [(Span("no agents", DIM),)]


def _reason(row: Row) -> str:
    return ": ".join(word for word in (row["reason"], row["message"]) if word)


def _labels_of(row: Row) -> str:
    return ",".join(f"{key}={value}" for key, value in row["labels"].items())


def text(words: Any) -> Line:
    """A cell without a style."""
    return (Span(clean(str(words))),)


def laid_out(head: Sequence[str], rows: Sequence[Sequence[Line]]) -> list[Line]:
    """A header and cells of spans as columns, three blanks apart."""
    table = [[(Span(word, BOLD),) for word in head], *rows]
    widths = [max(_width(row[at]) for row in table) for at in range(len(head))]
    return [_joined(row, widths) for row in table]


def _width(cell: Line) -> int:
    return sum(columns(span.text) for span in cell)


def _joined(row: Sequence[Line], widths: Sequence[int]) -> Line:
    spans: list[Span] = []
    for cell, width in zip(row, widths, strict=True):
        spans += [*cell, Span(" " * (width - _width(cell)) + GAP)]
    return tuple(spans)
