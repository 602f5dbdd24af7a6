"""Puts every pipeline where `plan.placement` says, and says why. Called by a pass, in its transaction."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from functools import lru_cache
from types import MappingProxyType
from typing import Collection, Iterable, Mapping, Sequence

from xene.model import phases
from xene.model.codec import placement_from_json
from xene.model.workflow import Placement
from xene.plan.placement import Candidate, Decision, Wanted, place
from xene.store import agents, leases, pipelines, runs
from xene.store.agents import Agent


@lru_cache(maxsize=4096)
def parse(text: str) -> Placement:
    """A placement from its JSON; many pipelines share one."""
    return placement_from_json(json.loads(text))


def candidates(known: Iterable[Agent]) -> list[Candidate]:
    """Agents as placement sees them; one that leaves takes nothing."""
    return [
        Candidate(
            name=agent.name,
            labels=agent.labels,
            capacity=agent.capacity,
            ready=agent.phase == phases.READY,
            cordoned=agent.cordoned,
            why_not_ready="" if agent.phase == phases.READY else _why(agent),
            drained=agent.drained,
        )
        for agent in known
        if not agent.leaving
    ]


def _why(agent: Agent) -> str:
    """In short: a pipeline's message holds several; the whole story is the agent's own (`why agent/NAME`)."""
    return f"{agent.phase}, {agent.reason}" if agent.reason else agent.phase


def wanted(row: pipelines.Row, barred: Mapping[str, frozenset[str]] = MappingProxyType({})) -> Wanted:
    """A stored pipeline as placement sees it; `barred` by its key."""
    lost = barred.get(f"{row.workflow}/{row.name}", frozenset())
    return Wanted(row.workflow, row.name, parse(row.placement), row.agent, lost)


def schedule(
    conn: sqlite3.Connection,
    now: float,
    known: Sequence[Agent],
    held: Iterable[agents.Holding],
    over: Mapping[tuple[str, str], float],
) -> None:
    """Place all pipelines and store what changed. Runs that were never sent go with their pipeline.

    `over` are (key, agent) whose lease has ended (`plan.leases`): where another agent gets the pipeline, that one
    is fenced.
    """
    rows = pipelines.every(conn)
    pipelines.mark_placed(conn)
    barred = _barred([*over, *leases.fenced(conn)])
    decisions = place((wanted(row, barred) for row in rows), candidates(known))
    fenced = {
        (key, agent): at
        for (key, agent), at in over.items()
        if key in decisions and decisions[key].agent not in (None, agent)
    }
    for (key, agent), at in fenced.items():
        leases.fence(conn, now, key, agent, at)
        runs.lost_sight(conn, now, agent)
    holders = _holders(held, fenced)
    changed = []
    for row in rows:
        new = _placed(row, decisions[f"{row.workflow}/{row.name}"], holders)
        if new != row:
            changed.append(new)
        if new.agent is not None and new.agent != row.agent and row.agent is not None:
            runs.move(conn, row.workflow, row.name, new.agent)
    if changed:
        pipelines.put(conn, now, changed)


def _barred(lost: Iterable[tuple[str, str]]) -> Mapping[str, frozenset[str]]:
    """By pipeline, the agents that have lost it."""
    found: dict[str, set[str]] = defaultdict(set)
    for key, agent in lost:
        found[key].add(agent)
    return {key: frozenset(names) for key, names in found.items()}


def _holders(
    held: Iterable[agents.Holding], fenced: Collection[tuple[str, str]]
) -> Mapping[tuple[str, str], list[str]]:
    """By pipeline, the agents that must let go of it before another one gets it."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for holding in held:
        if (
            holding.fenced_at is not None
            or (f"{holding.workflow}/{holding.pipeline}", holding.agent) in fenced
        ):
            continue
        found[holding.workflow, holding.pipeline].append(holding.agent)
    return found


def _placed(
    row: pipelines.Row, decision: Decision, holders: Mapping[tuple[str, str], list[str]]
) -> pipelines.Row:
    if decision.agent is None:
        return row._replace(
            phase=phases.NOT_SCHEDULED, reason=decision.reason, message=decision.message, agent=None
        )
    others = sorted(name for name in holders.get((row.workflow, row.name), ()) if name != decision.agent)
    if others:
        message = f"goes to agent {decision.agent} when {', '.join(others)} has let go of it"
        return row._replace(
            phase=phases.SCHEDULED, reason=phases.MOVING, message=message, agent=decision.agent
        )
    return row._replace(phase=phases.SCHEDULED, reason=None, message=None, agent=decision.agent)
