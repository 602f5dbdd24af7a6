"""`why slot/...`: what became of the slots of a trigger, and why; and what a pipeline's slots say of it.

Called by the command `why` with the JSON of `store.views`. Pure; lines as in `plan.explain`.
"""

from __future__ import annotations

from typing import Any, Iterator, Mapping, Sequence

from xene.model import phases
from xene.model.ids import pipeline_key
from xene.model.trigger import EXPIRED, FIRED, MISSED, SLOT_UNKNOWN

Json = Mapping[str, Any]

LAST = 5  # slots of a pipeline that are told one by one

_WHAT_TO_DO = {
    phases.CONCURRENCY_FORBID: "its concurrencyPolicy is Forbid; with Queue the slot would have waited",
    phases.ALREADY_WAITING: "with the policy Queue one slot waits at a time; with Allow they run side by side",
    phases.LATE: "catchUp: latest starts the newest of those that could not fire in time, all starts each of them",
    phases.DEADLINE_PASSED: "startingDeadline says how late a slot may start",
    phases.CATCH_UP_LIMIT: "catchUp: all starts at most 100 at once",
    phases.TRIGGER_CHANGED: "nothing that was due before a trigger was applied, changed or resumed is caught up",
}


def slot(view: Json, pipeline: Json | None, agent: Json | None) -> list[str]:
    """Why a slot has its outcome. `pipeline` and `agent` are the views of its own, None where they have gone."""
    key = pipeline_key(view["workflow"], view["pipeline"])
    head = f"slot {key}/{view['trigger']} of {view['at']} is {_state(view)}"
    return [head, *("  " + line for line in _because(view, pipeline, agent))]


def _state(view: Json) -> str:
    said = ", ".join(word for word in (view["outcome"], view["reason"]) if word)
    return f"{said}: {view['message']}" if view["message"] else said


def _because(view: Json, pipeline: Json | None, agent: Json | None) -> Iterator[str]:
    if view["outcome"] == FIRED:
        yield f"it started run {view['run']} on {view['agent']}: xene why run/{view['run']}"
        return
    if view["reason"] in _WHAT_TO_DO:
        yield _WHAT_TO_DO[view["reason"]]
    key = pipeline_key(view["workflow"], view["pipeline"])
    if view["reason"] == phases.SUSPENDED and pipeline is not None and pipeline["suspended"]:
        yield f"to have it fire again: xene resume {key}"
    if view["reason"] == phases.NOT_PLACED and pipeline is not None and pipeline["agent"] is None:
        yield f"it is still on no agent: xene why pipeline/{key}"
    if view["outcome"] == SLOT_UNKNOWN:
        yield from _unknown(view, agent)
    if view["outcome"] in (MISSED, EXPIRED):
        yield f"to start it now: xene backfill {key} --from {view['at']} --until {view['at']}"


def _unknown(view: Json, agent: Json | None) -> Iterator[str]:
    name = view["agent"]
    if agent is None:
        yield f"agent {name} is not there any more"
    else:
        seen = agent["lastSeenAt"] or "never"
        yield f"{name} is {agent['phase']}, last heard at {seen}: xene why agent/{name}"
        yield f"it is settled when {name} is heard, or removed: xene agent rm {name} --lost"


def pipeline(view: Json, triggers: Sequence[Json], slots: Sequence[Json]) -> list[str]:
    """What `why pipeline/...` says of its triggers. `slots` are its last ones, newest first."""
    lines = [_next(view, each) for each in triggers]
    lines += [_short(each) for each in slots[:LAST]]
    return ["  " + line for line in lines]


def _next(view: Json, trigger: Json) -> str:
    name, due = trigger["name"], trigger["nextDue"]
    if view["suspended"]:
        return f"trigger {name} does not fire, since it is suspended"
    return f"trigger {name} is due at {due}" if due else f"trigger {name} is never due again"


def _short(view: Json) -> str:
    run = f", run {view['run']}" if view["run"] else ""
    reason = f", {view['reason']}" if view["reason"] else ""
    return f"slot {view['trigger']} of {view['at']}: {view['outcome']}{reason}{run}"
