"""The words and marks of `xene status`, from what `store.overview` reads. Pure.

Called by the command `status` for its table, and by the live screen.
Styles are words, as in `plan.drawing`: a phase, DIM, BOLD or nothing. `now` is in seconds since 1970.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Sequence

from xene.model import phases
from xene.model.units import format_age
from xene.plan.drawing.gantt import span as took
from xene.plan.drawing.spans import BOLD, DIM, Line, Span
from xene.plan.marks import MARKS

Json = Mapping[str, Any]

PERIOD = 7 * 86400.0  # seconds for which a slot that was missed is shown: longer than any weekend
NEAR = 60.0  # seconds from or to an instant within which each of them is told
REVISION = 12  # characters of a git revision that are shown
Step = Callable[[float], float]  # seconds, made as exact as they are to be told
_BARS = "▁▂▃▄▅▆▇█"


class Alarm(NamedTuple):
    """What must not be overlooked, and the command line that says more."""

    text: str
    command: str


def by_tens(age: float) -> float:
    """An age whose last seconds are left off, so that it is seldom drawn anew: over a slow line each time costs."""
    return math.floor(age / 10) * 10.0


def at(instant: str | None) -> float | None:
    """Seconds since 1970 of an RFC 3339 text."""
    return None if not instant else datetime.fromisoformat(instant.replace("Z", "+00:00")).timestamp()


def ago(instant: str | None, now: float, step: Step = float) -> str:
    """How long ago that was: `3m4s`; "" for nothing. `step` says how exactly what is long ago is said."""
    when = at(instant)
    return "" if when is None else format_age(_stepped(now - when, step))


def _stepped(seconds: float, step: Step) -> float:
    return seconds if seconds < NEAR else step(seconds)


# -- pipelines


def strip(runs: Sequence[Json], count: int) -> Line:
    """The last `count` runs as marks, oldest first, each in the style of its phase."""
    return tuple(Span(MARKS.get(run["phase"], " "), run["phase"]) for run in runs[-count:])


def newest(runs: Sequence[Json], now: float) -> Line:
    """The newest run: `Error 3s`, or how long it is under way; nothing where there is none."""
    if not runs:
        return (Span("-", DIM),)
    run = runs[-1]
    length = seconds(run, now)
    return (Span(run["phase"], run["phase"]), Span("" if length is None else f" {took(length)}", DIM))


def seconds(run: Json, now: float) -> float | None:
    """How long a run, a task or a step took, or has taken so far; None for one of which that is not known."""
    begin, end = at(run["startedAt"]), at(run["finishedAt"])
    if end is None and run["phase"] == phases.UNKNOWN:
        return None  # it may have ended long ago
    return None if begin is None else max(0.0, (now if end is None else end) - begin)


def last(run: Json | None, runs: Sequence[Json]) -> str:
    """The id of the newest run, and how it ended: `20261123-020000-aaaaaaaa Error, Cancelled`."""
    if run is None:
        return "no run yet"
    reason = next((each["reason"] for each in runs if each["id"] == run["id"]), None)
    return f"{run['id']} {run['phase']}" + (f", {reason}" if reason else "")


def lengths(runs: Sequence[Json], count: int, now: float) -> Line:
    """How long the last `count` runs took, oldest first, as bars; a blank for one that has not begun.

    The scale is the longest of those that have ended: one that hangs does not make the others look alike.
    """
    shown = runs[-count:]
    taken = [seconds(run, now) for run in shown]
    ended = [length for run, length in zip(shown, taken, strict=True) if run["finishedAt"] and length]
    longest = max(ended, default=0.0) or max((length for length in taken if length), default=1.0)
    bars = [" " if length is None else _bar(length / longest) for length in taken]
    return tuple(Span(bar, run["phase"]) for bar, run in zip(bars, shown, strict=True))


def _bar(share: float) -> str:
    return _BARS[min(len(_BARS) - 1, int(share * len(_BARS)))]


def history(runs: Sequence[Json], now: float) -> Line:
    """The last runs with how long they took, newest first: `✓ 41s  ✗ 3s`."""
    spans: list[Span] = []
    for run in reversed(runs):
        length = seconds(run, now)
        words = f" {took(length)}  " if length is not None else "  "
        spans += [Span(MARKS.get(run["phase"], " "), run["phase"]), Span(words, DIM)]
    return tuple(spans)


def countdown(instant: str | None, now: float, step: Step = float) -> str:
    """`in 3m`, `now` once it is due, `-` where nothing is. `step` says how exactly what is far off is said."""
    due = at(instant)
    if due is None:
        return "-"
    return "now" if due <= now else f"in {format_age(_stepped(due - now, step))}"


def waits(pipeline: Json, agents: Mapping[str, Json], *, commands: bool = True) -> str:
    """What of a pipeline waits, and why; "" where nothing does. What needs a person comes first.

    `commands`: with the command that says what is asked, for those who read this on paper.
    """
    return "; ".join(_waits(pipeline, agents, commands))


def _waits(pipeline: Json, agents: Mapping[str, Json], commands: bool) -> Iterator[str]:
    if pipeline["phase"] == phases.NOT_SCHEDULED:
        yield _reasoned("not placed", pipeline)
    kinds = sorted(pipeline["open"], key=lambda kind: _ORDER.get(kind["phase"], len(_ORDER)))
    for kind in kinds:
        yield from _open(kind, agents.get(kind["agent"]), commands)
    if pipeline["followers"]:
        fires, needs = pipeline["followers"]["count"], ", ".join(pipeline["followers"]["needs"])
        yield f"{_count(fires, 'fire')} until {needs} has ended"
    if pipeline["phase"] != phases.NOT_SCHEDULED and pipeline["reason"]:
        yield _reasoned(pipeline["reason"], {**pipeline, "reason": None})


_ORDER = {
    phases.UNKNOWN: 0,
    phases.RUNNING: 1,
    phases.STARTING_UP: 2,
    phases.SHUTTING_DOWN: 3,
    phases.QUEUED: 4,
}


def _open(kind: Json, agent: Json | None, commands: bool) -> Iterator[str]:
    runs = _count(kind["count"], "run")
    where = _reach(kind["agent"], agent)
    if kind["reason"] == phases.WAITING_FOR_APPROVAL:
        yield f"{runs} for approval" + (f": xene why run/{kind['oldest']}" if commands else "")
    elif kind["phase"] == phases.UNKNOWN:
        yield f"{runs} Unknown" + (f": {where}" if where else "")
    elif kind["reason"]:
        yield f"{runs} {kind['phase']}, {kind['reason']}"
    elif kind["phase"] == phases.QUEUED:
        yield f"{runs} Queued: {where or 'the next pass sends it'}"


def _reach(name: str, agent: Json | None) -> str:
    """Why an agent cannot be told anything; "" where it can."""
    if agent is None:
        return f"agent {name} has gone"
    return "" if agent["phase"] == phases.READY else f"{name} is {agent['phase']}"


def _reasoned(head: str, thing: Json) -> str:
    words = ", ".join(word for word in (head, thing["reason"]) if word)
    return f"{words}: {thing['message']}" if thing["message"] else words


# -- agents


def load(agent: Json) -> str:
    """How much of its capacity is in use: `1/4`."""
    total = agent["capacity"]
    return f"{agent['capacityUsed'] or 0}/{'?' if total is None else total}"


def seen(agent: Json, now: float, step: Step = float) -> str:
    """How long ago it was heard last, in steps of `step`; `never`."""
    when = at(agent["lastSeenAt"])
    return "never" if when is None else f"{format_age(step(now - when))} ago"


# -- the whole


def alarms(found: Json, now: float) -> list[Alarm]:
    """A line for each kind of slot that was missed and for runs of which nobody knows how they are."""
    lines = []
    unknown = found["unknownRuns"]
    if unknown["count"]:
        runs = _count(unknown["count"], "run")
        text = f"{runs} Unknown: may be going on, or have ended; newest {unknown['newest']}"
        lines.append(Alarm(text, "xene get runs --phase Unknown"))
    for outcome, slots in found["slots"].items():
        if slots["count"]:
            when = f"{format_age(now - (at(slots['at']) or now))} ago"
            text = f"{_count(slots['count'], 'slot')} {outcome} in 7 days, newest {slots['newest']} {when}"
            lines.append(Alarm(text, f"xene get slots --outcome {outcome}"))
    return lines


def control(found: Json, now: float, hint: str = "", step: Step = float) -> Line:
    """Whether somebody is at work on the state, else as of when the agents were heard, and what to do about it."""
    if found["controller"] is not None:
        return (Span("control:  "), Span(f"at work, process {found['controller']['pid']}", phases.READY))
    as_of = found["asOf"]
    when = (
        f"as of {as_of}, {format_age(step(now - (at(as_of) or now)))} ago"
        if as_of
        else "no agent was ever heard"
    )
    return (
        Span("control:  "),
        Span("no controller is at work", phases.UNKNOWN),
        Span(f": {when}" + (f"; {hint}" if hint else "")),
    )


def repository(standing: Json | None, now: float) -> Line:
    """The directory that a controller keeps the state in line with: what was applied, or why nothing is."""
    if standing is None:
        return ()
    head = Span("repo:     ")
    wrong = (standing["error"] or "").replace(f"{standing['directory']}/", "")
    revision = f" at {standing['revision'][:REVISION]}" if standing["revision"] else ""
    if standing["error"]:
        return head, Span(f"{standing['directory']}{revision} is NOT applied: {wrong}", phases.ERROR)
    applied = at(standing["appliedAt"])
    when = "" if applied is None else f", applied {format_age(now - applied)} ago"
    return head, Span(f"{standing['directory']}{revision}"), Span(when, DIM)


def alarm_line(alarm: Alarm) -> Line:
    """An alarm as it is shown."""
    return Span("!! ", phases.ERROR), Span(alarm.text, BOLD), Span(f"   {alarm.command}", DIM)


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
