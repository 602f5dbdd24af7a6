"""`why`: what stands behind the state of a pipeline, a workflow, an agent. Runs are in `plan.explain_run`.

Called by the command `why` with the JSON of `store.views`. Pure. The answer is lines for people, the first of
which says the state; two spaces of indent mean "because", and what to type is a line of its own.
"""

from __future__ import annotations

from typing import Any, Iterator, Mapping, Sequence

from xene.model import phases
from xene.model.codec import pipeline_from_json
from xene.model.ids import pipeline_key
from xene.plan.placement import Candidate, Decision, Rejection, Wanted, place
from xene.plan.rejections import PINNED_ELSEWHERE

Json = Mapping[str, Any]

SHOWN = 50  # rejections, pipelines and runs that are listed one by one


def candidates(agents: Sequence[Json]) -> list[Candidate]:
    """Agents, as views show them, for `plan.placement`."""
    return [
        Candidate(
            name=agent["name"],
            labels=agent["labels"],
            capacity=agent["capacity"],
            ready=agent["phase"] == phases.READY,
            cordoned=agent["cordoned"],
            why_not_ready=state(agent),
            drained=agent["drained"],
        )
        for agent in agents
    ]


def state(thing: Json) -> str:
    """`Unreachable, ConnectionRefused: its message`, as far as there is something to say."""
    return f"{_head(thing)}: {thing['message']}" if thing["message"] else _head(thing)


def _head(thing: Json) -> str:
    return ", ".join(word for word in (thing["phase"], thing["reason"]) if word)


def pipeline(view: Json, workflow: Json | None, agents: Sequence[Json]) -> list[str]:
    """Why a pipeline is where it is, or nowhere. `workflow` is the view of its workflow, None if it has gone."""
    name = pipeline_key(view["workflow"], view["name"])
    decision = _decision(view, workflow, agents)
    if view["phase"] == phases.SCHEDULED:
        lines = [
            f"pipeline {name} is Scheduled on {view['agent']}",
            *_indented(_on_agent(view, agents, decision)),
        ]
        lines += _indented(_not_elsewhere(decision, view["agent"]))
    else:
        placeable = decision is None or decision.agent is not None
        lines = [f"pipeline {name} is {state(view) if placeable else _head(view)}"]
        lines += _indented(_not_scheduled(decision))
    return lines + _indented(_last_run(view))


def _decision(view: Json, workflow: Json | None, agents: Sequence[Json]) -> Decision | None:
    """What placement would say if the pipeline were new."""
    body = None if workflow is None else workflow["spec"]["pipelines"].get(view["name"])
    if body is None:
        return None
    placement = pipeline_from_json(view["name"], body).placement
    wanted = Wanted(view["workflow"], view["name"], placement)
    return place([wanted], candidates(agents))[wanted.key]


def _on_agent(view: Json, agents: Sequence[Json], decision: Decision | None) -> Iterator[str]:
    wanted, observed = view["revision"], view["observedRevision"]
    if view["reason"] is not None:
        yield f"{view['reason']}: {view['message'] or ''}".rstrip(": ")
    elif observed is None:
        yield f"{view['agent']} has not confirmed yet that it has it, at revision {wanted}"
    elif observed == wanted:
        yield f"{view['agent']} has confirmed it, at revision {wanted}"
    host = _agent(agents, view["agent"])
    if host is None:
        yield f"agent {view['agent']} is not there any more"
        return
    if host["phase"] != phases.READY:
        yield f"{view['agent']} is {state(host)}"
    if host["drained"]:
        yield f"{view['agent']} is drained: {_given_away(decision)}"
    elif host["phase"] != phases.READY:
        yield f"a pipeline stays where it is while its agent is away: xene why agent/{view['agent']}"


def _given_away(decision: Decision | None) -> str:
    """What a drained agent does with a pipeline. Whether another one is barred to it is not known here."""
    if decision is None:
        return "it gives this away to any other agent that can take it"
    if decision.agent is None:
        return "it would give this away, but no other agent can take it"
    return f"it gives this away, and {decision.agent} may take it"


def _not_elsewhere(decision: Decision | None, here: str) -> Iterator[str]:
    others = [each for each in decision.rejections if each.agent != here] if decision else []
    if others:
        yield "these agents could not take it:"
        yield from _indented(_rejections(others))


def _not_scheduled(decision: Decision | None) -> Iterator[str]:
    if decision is None:
        yield "its workflow has gone from the state"
    elif decision.agent is not None:
        yield f"{decision.agent} could take it now: the next pass places it there; xene reconcile makes one"
    elif not decision.rejections:
        yield decision.message
        yield "declare an Agent object"
    else:
        if not is_told_by_rejections(decision):
            yield decision.message
        else:
            yield from _rejections(decision.rejections)


def is_told_by_rejections(decision: Decision) -> bool:
    """Whether the rejections, listed one by one, say all that the decision's own message says."""
    return any(each.reason != PINNED_ELSEWHERE for each in decision.rejections)


def _rejections(rejections: Sequence[Rejection]) -> Iterator[str]:
    for rejection in rejections[:SHOWN]:
        yield f"{rejection.agent}: {rejection.message}"
    if len(rejections) > SHOWN:
        yield f"and {len(rejections) - SHOWN} more agents"


def _last_run(view: Json) -> Iterator[str]:
    if view["lastRun"] is None:
        yield f"it has never run: xene run {pipeline_key(view['workflow'], view['name'])}"
    else:
        newest, phase = view["lastRun"]["id"], view["lastRun"]["phase"]
        yield f"its newest run {newest} is {phase}: xene why run/{newest}"


def workflow(view: Json, pipelines: Sequence[Json], agents: Sequence[Json]) -> list[str]:
    """A workflow: each of its pipelines in a line, and why for those that are not scheduled."""
    placed = sum(each["phase"] == phases.SCHEDULED for each in pipelines)
    lines = [f"workflow {view['name']}: {placed} of {len(pipelines)} pipelines are Scheduled"]
    for each in pipelines[:SHOWN]:
        explained = pipeline(each, view, agents)
        short = each["phase"] == phases.SCHEDULED and each["reason"] is None
        lines += _indented([explained[0], *explained[-1:]] if short else explained)
    if len(pipelines) > SHOWN:
        lines.append(f"  and {len(pipelines) - SHOWN} more pipelines")
    return lines


def agent(view: Json, pipelines: Sequence[Json], runs: Sequence[Json]) -> list[str]:
    """Why an agent is in its state; `pipelines` and `runs` (not ended) are those that it has."""
    lines = [f"agent {view['name']} is {state(view)}"]
    lines += _indented(_contact(view))
    lines += _indented(_work(view, pipelines, runs))
    return lines


def _contact(view: Json) -> Iterator[str]:
    seen = view["lastSeenAt"]
    yield f"last heard at {seen}" if seen else "it has never been heard"
    if view["phase"] == phases.UNTRUSTED:
        yield "nothing is sent to a host whose key is not trusted"
        if "spec.ssh.hostKey" not in (view["message"] or ""):  # a pinned key is changed where it is pinned
            yield f"to see the key's fingerprint and decide: xene agent trust {view['name']}"
    elif view["phase"] != phases.READY:
        yield "every pass tries again: xene reconcile makes one"
        yield f"if the host is gone for good: xene agent rm {view['name']} --lost"
    if view["drained"]:
        yield "drained: it gives away what another agent can take, and gets nothing new"
    elif view["cordoned"]:
        yield "cordoned: it keeps what it has and gets nothing new"


def _work(view: Json, pipelines: Sequence[Json], runs: Sequence[Json]) -> Iterator[str]:
    capacity = "unknown until it is heard" if view["capacity"] is None else str(view["capacity"])
    yield f"capacity {capacity}, {view['capacityUsed']} in use"
    yield f"pipelines that belong to it: {len(pipelines)}"
    for each in [each for each in pipelines if each["reason"] is not None][:SHOWN]:
        yield f"  {pipeline_key(each['workflow'], each['name'])}: {each['reason']}: {each['message']}"
    for run in runs[:SHOWN]:
        yield f"run {run['id']} ({pipeline_key(run['workflow'], run['pipeline'])}) is {run['phase']}"


def _agent(agents: Sequence[Json], name: str | None) -> Json | None:
    return next((each for each in agents if each["name"] == name), None)


def _indented(lines: Sequence[str] | Iterator[str]) -> list[str]:
    return ["  " + line for line in lines]
