"""`xene doctor`: looks for what may go wrong, here and on each host, and says what to do about it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from xene.commands import completion, kinds, listing
from xene.commands.call import Call
from xene.commands.slow import slow
from xene.commands.tables import Column, render
from xene.commands.text import one_line, plural
from xene.store import db

if TYPE_CHECKING:
    from xene.control.doctor import Report

FOUND, UNREACHABLE = 1, 5
COLUMNS = (
    Column("WHERE", lambda row, _: row["where"]),
    Column("CHECK", lambda row, _: row["check"]),
    Column("STATE", lambda row, _: row["level"]),
    Column("MESSAGE", lambda row, _: row["message"]),
)

Names = Annotated[
    Optional[list[str]],
    typer.Argument(metavar="AGENT", help="Only these agents.", autocompletion=completion.agents),
]


def doctor(call: Call, agent: Names = None) -> int:
    """Look at the control host and at every agent's host for what may go wrong, and say what to do about it.

    Hosts are asked over SSH by a plain script, so it works where the agent does not; nothing is changed. Exit 0
    where all is well, 1 if something was found (a warning counts), 5 if a host could not be reached, whatever was
    found elsewhere: then the examination is not complete.
    """
    from xene.control import doctor as control
    from xene.control.place import Place

    names = list(agent or [])
    if names:
        with db.open_for_reading(call.state) as state:
            for name in names:
                listing.one(state, kinds.AGENTS, name)
    with slow(call, "looking"):
        reports = control.look(Place(call.state, call.home), names)
    if call.structured:
        call.put_value([as_value(report) for report in reports])
    else:
        show(call, reports)
    if not all(report.reached for report in reports):
        return UNREACHABLE
    return FOUND if found(reports) else 0


def found(reports: list[Report]) -> int:
    """How many checks are not well."""
    from xene.plan.health import FOUND as LEVELS

    return sum(check.level in LEVELS for report in reports for check in report.checks)


def as_value(report: Report) -> dict[str, Any]:
    """For programs. `agent` is null for the control host."""
    checks = [
        {"check": each.name, "state": each.level, "message": each.message, "remedy": each.remedy or None}
        for each in report.checks
    ]
    return {"agent": report.agent, "reached": report.reached, "checks": checks}


def show(call: Call, reports: list[Report]) -> None:
    """A table of all checks; below it what to do about those that are not well."""
    rows = [
        {"where": report.agent or "control", "check": each.name, "level": each.level, "message": each.message}
        for report in reports
        for each in report.checks
    ]
    call.put(render(rows, COLUMNS, time.time(), color=call.color()))
    for report in reports:
        for each in report.checks:
            if each.remedy:
                call.put(f"\n{report.agent or 'control'}, {each.name}: {one_line(each.remedy)}")
    away = [report.agent for report in reports if not report.reached]
    number = found(reports)
    call.say(f"{plural(number, 'thing')} found" if number else "all is well")
    if away:
        call.say(f"could not be reached: {', '.join(str(name) for name in away)}")
