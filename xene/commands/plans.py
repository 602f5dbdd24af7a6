"""A plan, for people and for programs: what changes field by field, and where each pipeline would go. Pure.

Used by `diff` and `apply`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator, NamedTuple, Sequence

from xene.commands.tables import BOLD, DIM, GREEN, RED, YELLOW, paint
from xene.commands.text import one_line, plural, printable
from xene.model.trigger import UTC
from xene.model.units import rfc3339
from xene.plan import diff, explain
from xene.plan.fields import lines
from xene.plan.overrides import line as told
from xene.plan.placement import Decision

if TYPE_CHECKING:
    from xene.control.apply import Preview
    from xene.plan.calendar import Due
    from xene.plan.next_fires import NextFire

SIGNS = {diff.CREATED: "+", diff.CHANGED: "~", diff.REMOVED: "-"}
COLORS = {"+": GREEN, "~": YELLOW, "-": RED}
SHOWN = 5  # rejections of one pipeline in the text
PIPELINES = 50  # pipelines in the text
IN_JSON = 100  # rejections of one pipeline in JSON, the nearest first


class Placing(NamedTuple):
    """Where one pipeline is (`was`), and where it would go."""

    name: str
    was: str | None
    decision: Decision

    @property
    def is_news(self) -> bool:
        """Whether it goes elsewhere than it is, or nowhere."""
        return self.decision.agent is None or self.decision.agent != self.was


def placings(seen: Preview) -> list[Placing]:
    """Every pipeline, by name."""
    return [Placing(name, seen.was.get(name), decision) for name, decision in sorted(seen.decisions.items())]


def text(seen: Preview, color: bool, verbose: bool = False) -> str:
    """The plan for people: nothing of what stays as it is, unless `verbose`."""
    out = [line for change in seen.plan.changes for line in _change(change, color)]
    out += [paint(f"! {printable(conflict.message)}", RED, color) for conflict in seen.plan.conflicts]
    where = _placement(placings(seen), color, verbose)
    out += where
    if where and seen.unheard:
        names = ", ".join(seen.unheard[:SHOWN]) + (" ..." if len(seen.unheard) > SHOWN else "")
        out.append(paint(f"  not heard yet, so this may come otherwise: {names}", DIM, color))
    out += _fires(seen.next_fires, color, verbose)
    if seen.overrides:
        out += ["", paint("Overrides, which stay", BOLD, color)]
        out += [f"  {printable(told(word))}" for word in seen.overrides]
    if seen.keeping:
        keep = "keeps the revision it" if len(seen.keeping) == 1 else "keep the revision they"
        out += ["", f"{plural(len(seen.keeping), 'run')} under way {keep} started with:"]
        out += [f"  {run}" for run in seen.keeping]
    if out:
        out.append("")
    return "\n".join([*out, summary(seen.plan)]).lstrip("\n") + "\n"


def _placement(all_of_them: list[Placing], color: bool, verbose: bool) -> list[str]:
    """Where pipelines go; those that go nowhere first, then those that move, and not too many."""
    wanted = all_of_them if verbose else [placing for placing in all_of_them if placing.is_news]
    if not wanted:
        return []
    shown = wanted
    if not verbose:
        shown = sorted(wanted, key=lambda placing: placing.decision.agent is not None)[:PIPELINES]
    out = ["", paint("Placement", BOLD, color)]
    out += [line for placing in shown for line in _placing(placing, color, verbose)]
    if len(wanted) > len(shown):
        out.append(f"  and {len(wanted) - len(shown)} more pipelines: -v shows them")
    return out


def _fires(fires: Sequence[NextFire], color: bool, verbose: bool) -> list[str]:
    """How the next fires change, and not too many of them."""
    shown = fires if verbose else fires[:PIPELINES]
    out = ["", paint("Next fires", BOLD, color)] if fires else []
    for fire in shown:
        sign = "+" if fire.before is None else "-" if fire.after is None else "~"
        times = [_instant(due) for due in (fire.before, fire.after) if due is not None]
        name = f"{sign} {fire.workflow}/{fire.pipeline} {fire.trigger}"
        out.append(f"  {paint(name, COLORS[sign], color)}: {' -> '.join(times)}")
    if len(fires) > len(shown):
        out.append(f"  and {len(fires) - len(shown)} more next fires: -v shows them")
    return out


def _instant(due: Due) -> str:
    """`2026-11-24T01:30:00Z (Tue 02:30 Europe/Berlin)`, in both ways of telling the time."""
    cron, suspended = due.timed.cron, ", suspended" if due.timed.suspended else ""
    local = "" if cron.time_zone == UTC else f" ({due.local:%a %H:%M} {cron.time_zone})"
    return f"{rfc3339(due.at)[:19]}Z{local}{suspended}"


def summary(plan: diff.Plan) -> str:
    """`plan 0123abcd: 1 created, 2 changed, 0 removed, 7 unchanged`."""
    actions = (diff.CREATED, diff.CHANGED, diff.REMOVED, diff.UNCHANGED)
    counts = [f"{len(plan.of(action))} {action}" for action in actions]
    return f"plan {plan.digest}: {', '.join(counts)}" + (
        f", {plural(len(plan.conflicts), 'conflict')}" if plan.conflicts else ""
    )


def _change(change: diff.Change, color: bool) -> Iterator[str]:
    sign = SIGNS.get(change.action)
    if sign is None:
        return
    taken = f" (taken over from {change.taken_from})" if change.taken_from else ""
    yield paint(f"{sign} {change.kind} {change.name}{taken}", COLORS[sign], color)
    for field in change.fields:
        for line in lines(field):
            yield "    " + _field(line, color)


def _field(line: str, color: bool) -> str:
    bare = line.lstrip()
    return paint(printable(line), COLORS.get(bare[:1], ""), color)


def _placing(placing: Placing, color: bool, verbose: bool) -> Iterator[str]:
    decision, name = placing.decision, placing.name
    if decision.agent is None:
        told = explain.is_told_by_rejections(decision)
        why = decision.reason if told else f"{decision.reason}: {one_line(decision.message)}"
        yield f"  {name} {paint('not scheduled', RED, color)}: {why}"
        if not told and not verbose:
            return
    else:
        moved = f" (was on {placing.was})" if placing.was not in (None, decision.agent) else ""
        yield f"  {name} -> {decision.agent}{moved}"
    if decision.agent is None or verbose:
        yield from _rejections(decision, color, verbose)


def _rejections(decision: Decision, color: bool, verbose: bool) -> Iterator[str]:
    rejections = decision.rejections
    shown = rejections if verbose else rejections[:SHOWN]
    for rejection in shown:
        yield paint(
            f"      not {rejection.agent}: {rejection.reason}: {one_line(rejection.message)}", DIM, color
        )
    if len(rejections) > len(shown):
        yield f"      and {len(rejections) - len(shown)} more: -v shows them"


def as_json(seen: Preview) -> dict[str, Any]:
    """The plan for programs; every field present."""
    return {
        "source": seen.source,
        "digest": seen.plan.digest,
        "changes": [_change_json(change) for change in seen.plan.changes],
        "conflicts": [
            {"kind": conflict.kind, "name": conflict.name, "owner": conflict.owner}
            for conflict in seen.plan.conflicts
        ],
        "pipelines": [_placing_json(placing) for placing in placings(seen)],
        "nextFires": [_fire_json(fire) for fire in seen.next_fires],
        "runsKeepingRevision": list(seen.keeping),
        "overrides": [word._asdict() for word in seen.overrides],
    }


def _fire_json(fire: NextFire) -> dict[str, Any]:
    return {
        "workflow": fire.workflow,
        "pipeline": fire.pipeline,
        "trigger": fire.trigger,
        "before": _due_json(fire.before),
        "after": _due_json(fire.after),
    }


def _due_json(due: Due | None) -> dict[str, Any] | None:
    if due is None:
        return None
    return {
        "at": rfc3339(due.at),
        "local": due.local.isoformat(),
        "timeZone": due.timed.cron.time_zone,
        "suspended": due.timed.suspended,
    }


def _change_json(change: diff.Change) -> dict[str, Any]:
    return {
        "action": change.action,
        "kind": change.kind,
        "name": change.name,
        "takenFrom": change.taken_from,
        "fields": [{"path": field.path, "old": field.old, "new": field.new} for field in change.fields],
    }


def _placing_json(placing: Placing) -> dict[str, Any]:
    decision = placing.decision
    workflow, _, name = placing.name.partition("/")
    return {
        "workflow": workflow,
        "name": name,
        "agent": decision.agent,
        "was": placing.was,
        "reason": decision.reason,
        "message": decision.message or None,
        "rejections": [
            {"agent": rejection.agent, "reason": rejection.reason, "message": rejection.message}
            for rejection in decision.rejections[:IN_JSON]
        ],
        "rejectionsLeftOff": max(0, len(decision.rejections) - IN_JSON),
    }


def names(plan: diff.Plan) -> list[str]:
    """`workflow/hello` of everything that changes: for `-o name`."""
    changes = (change for change in plan.changes if change.action != diff.UNCHANGED)
    return [f"{change.kind.lower()}/{change.name}" for change in changes]
