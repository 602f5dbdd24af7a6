"""`xene schedule`: the instants ahead. It only reads."""

from __future__ import annotations

import time
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Optional, Sequence

import typer

from xene.commands import completion, manifests, options, tables
from xene.commands.call import Call
from xene.commands.tables import Column
from xene.commands.text import did_you_mean, plural
from xene.errors import NotFound, Usage
from xene.model.units import format_duration, rfc3339

if TYPE_CHECKING:
    from xene.control.place import Place
    from xene.engine.slots import Zone
    from xene.plan.calendar import Due, Timed

DAY = 86400.0
MINUTES, AGENTS = 3, 10  # of the crowded ones: so many minutes of so many agents
NOTED = 10  # slots that a gap takes away


def schedule(
    call: Call,
    workflow: Annotated[
        Optional[str],
        typer.Argument(
            metavar="WORKFLOW",
            help="Only this workflow, or WORKFLOW/PIPELINE.",
            autocompletion=completion.targets,
        ),
    ] = None,
    repo: Annotated[
        Optional[str],
        typer.Option("--repo", metavar="DIR", help="Of these manifests, and not of what was applied."),
    ] = None,
    start: Annotated[
        Optional[str],
        typer.Option("--from", metavar="TIME", help=f"From then on: {options.TIME}. Default: now."),
    ] = None,
    until: Annotated[
        Optional[str],
        typer.Option("--until", metavar="TIME", help="Before then. Default: a day after --from."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", help="At most so many; 0: all. Default 50.")
    ] = 50,
) -> int:
    """List the instants at which cron triggers will be due, in UTC and in the time of each trigger's zone.

    It says where a time does not exist on that day (gap) or comes twice (fold), by how much jitter puts off the
    start, and what is suspended; and at the end in which minutes most runs start on each agent. A duration counts
    from now on: 2h is in two hours, -2h was two hours ago.
    """
    from xene.control import calendar
    from xene.control.place import Place
    from xene.plan import calendar as planning

    if limit < 0:
        raise Usage("--limit: a count is wanted; 0 is all")
    begin, end = _range(start, until)
    place = Place(call.state, call.home)
    timed = _chosen(calendar.of_state(place) if repo is None else _of_manifests(call, place, repo), workflow)
    zones = calendar.zones_of(timed)
    dues = list(islice(planning.ahead(timed, zones, begin, end), limit + 1 if limit else None))
    shown = dues[:limit] if limit else dues
    if call.structured:
        call.put_value([_row(due) for due in shown])
    else:
        _put(call, shown, timed, zones, begin, end)
    _tell(call, timed, zones, end, shown, more=len(dues) > len(shown))
    return 0


def _range(start: str | None, until: str | None) -> tuple[float, float]:
    now = time.time()
    begin = options.instant(start, "--from", ahead=True)
    begin = now if begin is None else begin
    end = options.instant(until, "--until", ahead=True)
    end = begin + DAY if end is None else end
    if end <= begin:
        raise Usage(f"--until ({rfc3339(end)}) is not later than --from ({rfc3339(begin)})")
    return begin, end


def _of_manifests(call: Call, place: Place, repo: str) -> list[Timed]:
    from xene.control import apply, calendar

    repository = manifests.read(call, repo, apply.known(place), partial(apply.templates, place))
    decisions = apply.preview(place, repository, apply.Options()).decisions
    return calendar.of_repository(repository, decisions)


def _chosen(timed: list[Timed], wanted: str | None) -> list[Timed]:
    """Those of one workflow or pipeline. Raises NotFound for one that has no cron trigger."""
    if wanted is None:
        return timed
    found = [each for each in timed if wanted in (each.workflow, each.key)]
    if not found:
        known = {name for each in timed for name in (each.workflow, each.key)}
        raise NotFound(
            f"there is no workflow {wanted} with a cron trigger",
            hint=did_you_mean(wanted, known) or "xene schedule lists those that have one",
        )
    return found


# -- what is shown


def _row(due: Due) -> dict[str, Any]:
    timed = due.timed
    return {
        "workflow": timed.workflow,
        "pipeline": timed.pipeline,
        "trigger": timed.trigger,
        "at": rfc3339(due.at),
        "local": due.local.isoformat(),
        "timeZone": timed.cron.time_zone,
        "flag": due.flag or None,
        "jitter": timed.jitter,
        "startsAt": rfc3339(due.at + timed.jitter),
        "suspended": timed.suspended,
        "agent": timed.agent,
    }


def _jitter(row: dict[str, Any], _: float) -> str | None:
    return f"+{format_duration(row['jitter'])}" if row["jitter"] else None


def _note(row: dict[str, Any], _: float) -> str:
    words = {"gap": "gap: no such time that day", "fold": "fold: this time comes twice", None: ""}
    return ", ".join(word for word in (words[row["flag"]], "suspended" if row["suspended"] else "") if word)


COLUMNS = (
    Column("UTC", lambda row, _: f"{row['at'][:10]} {row['at'][11:16]}"),
    Column("LOCAL", lambda row, _: row["shown"]),
    Column("ZONE", lambda row, _: row["timeZone"]),
    Column("PIPELINE", lambda row, _: f"{row['workflow']}/{row['pipeline']}"),
    Column("TRIGGER", lambda row, _: row["trigger"]),
    Column("JITTER", _jitter),
    Column("AGENT", lambda row, _: row["agent"]),
    Column("NOTE", _note),
)


def _put(
    call: Call, dues: Sequence[Due], timed: list[Timed], zones: dict[str, Zone], begin: float, end: float
) -> None:
    from xene.plan import calendar

    if dues:
        rows = [{**_row(due), "shown": f"{due.local:%a %Y-%m-%d %H:%M}"} for due in dues]
        call.put(tables.render(rows, COLUMNS, time.time(), color=call.color()))
    lines = [_no_slot(due) for due in calendar.left_out(timed, zones, begin, end)]
    call.put("".join(f"{line}\n" for line in lines[:NOTED]))
    if len(lines) > NOTED:
        call.put(f"and {len(lines) - NOTED} more slots that a gap takes away\n")
    call.put(_crowd(timed, zones, begin, end))


def _no_slot(due: Due) -> str:
    timed = due.timed
    return (
        f"no slot of {timed.key} {timed.trigger} on {due.local:%Y-%m-%d}:"
        f" its time does not exist that day in {timed.cron.time_zone} (gap: skip)"
    )


def _crowd(timed: list[Timed], zones: dict[str, Zone], begin: float, end: float) -> str:
    """The fullest minutes of each agent, in which more than one run starts."""
    from xene.plan import calendar

    minutes, until = calendar.crowded(timed, zones, begin, end)
    full: dict[str | None, list[str]] = {}
    for minute in minutes:
        words = full.setdefault(minute.agent, [])
        if minute.runs > 1 and len(words) < MINUTES:
            words.append(f"{rfc3339(minute.at)[:16]}Z {minute.runs}")
    lines = [f"  {agent or '(no agent)'}: {', '.join(words)}" for agent, words in full.items() if words]
    if not lines:
        return ""
    more = [f"  and {plural(len(lines) - AGENTS, 'more agent')}"] if len(lines) > AGENTS else []
    counted = f", counted up to {rfc3339(until)[:16]}Z" if until < end else ""
    return "\n".join(["", f"Most runs in one minute{counted}", *lines[:AGENTS], *more]) + "\n"


def _tell(
    call: Call, timed: list[Timed], zones: dict[str, Zone], end: float, shown: Sequence[Due], *, more: bool
) -> None:
    """On stderr: that there is more, or nothing."""
    from xene.plan import calendar

    if more:
        call.hint(f"there are more before {rfc3339(end)}: --limit 0 shows all")
    elif not timed:
        call.say("there are no cron triggers")
    elif not shown:
        due = calendar.next_of(timed, zones, end)
        told = "" if due is None else f"; the next is {rfc3339(due.at)}, {due.timed.key} {due.timed.trigger}"
        call.say(f"nothing is due before {rfc3339(end)}{told}")
