"""`why run/ID`: what a run waits for, where it failed, or why nobody knows.

Called by the command `why` with the JSON of `store.views`. Pure; lines as in `plan.explain`.
"""

from __future__ import annotations

from typing import Any, Iterator, Mapping, Sequence

from xene.model import phases
from xene.model.ids import pipeline_key
from xene.plan.explain import state

Json = Mapping[str, Any]

SHOWN = 20  # tasks that are listed one by one


def run(view: Json, agent: Json | None, pipeline: Json | None, older: Sequence[Json] = ()) -> list[str]:
    """Why a run is in its phase. `agent` and `pipeline` are the views of its own, None where they have gone.

    `older` are the runs of its pipeline that came before it and have not ended.
    """
    head = f"run {view['id']} of {pipeline_key(view['workflow'], view['pipeline'])} is {state(view)}"
    lines = [*_waits(view, older), *_REASONS[view["phase"]](view, agent, pipeline)]
    return [head, *("  " + line for line in lines)]


def _waits(view: Json, older: Sequence[Json]) -> Iterator[str]:
    """What keeps it that is not its agent's business."""
    if view["phase"] == phases.QUEUED and older:
        yield f"run {older[0]['id']} of the same pipeline is {older[0]['phase']}, and was first"
        yield "unless its concurrencyPolicy is Allow, it waits until that has ended"
    if view["reason"] == phases.SECRET_UNAVAILABLE:
        yield "nothing of it starts before a pass has brought its secrets again: xene reconcile makes one"


def _queued(view: Json, agent: Json | None, pipeline: Json | None) -> Iterator[str]:
    name = view["agent"]
    if view["reason"] == phases.WAITING_FOR_RUN:
        yield f"{name} has accepted it"
    elif view["reason"] == phases.WAITING_FOR_CAPACITY:
        yield f"{name} has accepted it and starts it when there is room{_room(agent)}"
    elif pipeline is not None and pipeline["reason"] == phases.MOVING:
        yield f"not sent yet: its pipeline is moving. {pipeline['message']}"
    elif agent is None:
        yield f"not sent yet, and agent {name} is not there any more"
    elif agent["phase"] == phases.READY:
        yield f"not sent yet: {name} was Ready when it was last heard, at {agent['lastSeenAt']}"
        yield "the next pass sends it: xene reconcile makes one"
    else:
        yield f"not sent yet: {name} is {state(agent)}"
        yield f"it is sent when the agent can be reached: xene why agent/{name}"


def _room(agent: Json | None) -> str:
    if agent is None or agent["capacity"] is None:
        return ""
    return f": {agent['capacityUsed']} of its capacity of {agent['capacity']} are in use"


def _under_way(view: Json, _agent: Json | None, _pipeline: Json | None) -> Iterator[str]:
    tasks = view["tasks"]
    ended = sum(task["phase"] in phases.ENDED for task in tasks.values())
    yield f"on {view['agent']} since {view['startedAt']}: {ended} of {len(tasks)} tasks have ended"
    for name, task in _some(tasks, phases.NOT_EXECUTED):
        if task["reason"] == phases.WAITING_FOR_APPROVAL:
            yield f"task {name} waits for approval" + _colon(task["message"])
            yield f"  xene approve {view['id']} {name}; or xene reject {view['id']} {name}"
    for name, task in _some(tasks, phases.RUNNING):
        if task["reason"] == phases.WAITING_FOR_RETRY:
            yield f"task {name} waits for its next try, WaitingForRetry" + _colon(task["message"])
            continue
        steps = [step["name"] for step in task["steps"] if step["phase"] == phases.RUNNING]
        yield f"task {name} is running" + (f", at step {steps[0]}" if steps else "")
    yield from _failures(view)
    yield f"to follow it: xene logs {view['id']} -f"


def _success(view: Json, _agent: Json | None, _pipeline: Json | None) -> Iterator[str]:
    done = sum(task["phase"] == phases.SUCCESS for task in view["tasks"].values())
    yield f"{done} of {len(view['tasks'])} tasks succeeded, on {view['agent']}, by {view['finishedAt']}"


def _error(view: Json, _agent: Json | None, _pipeline: Json | None) -> Iterator[str]:
    yield from _failures(view)
    for name, task in _some(view["tasks"], phases.NOT_EXECUTED):
        if task["reason"]:
            yield f"task {name} was not executed, {task['reason']}" + _colon(task["message"])
    if view["log"] == "gone":
        yield "its log is gone"
    elif view["log"] == "partial":
        yield "its log is partial"


def _failures(view: Json) -> Iterator[str]:
    for name, task in _some(view["tasks"], phases.ERROR):
        failed = [step for step in task["steps"] if step["phase"] == phases.ERROR]
        yield f"task {name} ended in Error, {task['reason']}" + ("" if failed else _colon(task["message"]))
        for step in failed:
            code = "" if step["exitCode"] is None else f" with exit code {step['exitCode']}"
            yield f"  step {step['name']} failed{code}, {step['reason']}" + _colon(step["message"])
            yield f"  what it said: xene logs {view['id']} {name}/{step['name']}"


def _unknown(view: Json, agent: Json | None, _pipeline: Json | None) -> Iterator[str]:
    since = f", Unknown since {view['phaseSince']}" if view["phaseSince"] else ""
    yield f"last known as {view['lastKnownPhase']}{since}; it may be going on, or have ended"
    if agent is None:
        yield f"agent {view['agent']} is not there any more"
        return
    yield f"{view['agent']} is {state(agent)}"
    yield f"what it did is told when the agent is heard again: xene why agent/{view['agent']}"


_REASONS = {
    phases.QUEUED: _queued,
    phases.STARTING_UP: _under_way,
    phases.RUNNING: _under_way,
    phases.SHUTTING_DOWN: _under_way,
    phases.SUCCESS: _success,
    phases.ERROR: _error,
    phases.UNKNOWN: _unknown,
}


def _some(tasks: Mapping[str, Json], phase: str) -> list[tuple[str, Json]]:
    return [(name, task) for name, task in tasks.items() if task["phase"] == phase][:SHOWN]


def _colon(message: str | None) -> str:
    return f": {message}" if message else ""
