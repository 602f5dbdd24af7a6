"""What a pass sees: the rows of the state and the connections, as the values that `plan` decides over."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from xene.control import placing
from xene.control.safe import Safe
from xene.control.sessions import Link
from xene.model import phases
from xene.model.agent import CRON
from xene.model.workflow import MOVE
from xene.plan.orders import AgentView, Answer, Assigned, Held, Retry, RunView
from xene.store import agents, charges, pipelines, runs, wishes
from xene.store.agents import Agent


class World(NamedTuple):
    """One moment. `rows` are all agents by name; the rest is what `plan.dispatch` takes."""

    rows: dict[str, Agent]
    agents: list[AgentView]
    assigned: list[Assigned]
    held: list[Held]
    runs: list[RunView]
    answers: list[Answer]
    lost_after: dict[str, float]  # of pipelines that may be replaced, by `WORKFLOW/PIPELINE`
    leased: list[str]  # agents that have such a pipeline, and want a lease


def read(conn: sqlite3.Connection, links: dict[str, Link], safe: Safe | None = None) -> World:
    """All of it, from an open transaction or snapshot. `safe` has the secrets that are at hand."""
    rows = {row.name: row for row in agents.every(conn)}
    placed = pipelines.every(conn)
    held = agents.holdings(conn)
    return World(
        rows,
        [_agent(row, links.get(row.name)) for row in rows.values()],
        [_assigned(row, safe) for row in charges.every(conn)],
        [
            Held(
                f"{row.workflow}/{row.pipeline}", row.agent, row.observed_revision, row.fenced_at is not None
            )
            for row in held
        ],
        [run_view(row, safe) for row in runs.unsettled(conn)],
        [Answer(*row) for row in wishes.answers(conn)],
        {
            f"{row.workflow}/{row.name}": placement.lost_after
            for row in placed
            if (placement := placing.parse(row.placement)).on_lost == MOVE
        },
        sorted({row.agent for row in held if row.bound is not None}),
    )


def _assigned(row: charges.Charged, safe: Safe | None) -> Assigned:
    key = f"{row.workflow}/{row.pipeline}"
    if row.policy is None:
        return Assigned(key, row.agent, row.tag)
    return Assigned(
        key,
        row.agent,
        row.tag,
        row.policy,
        secrets=row.secrets != "{}",
        whole=safe is None or key not in safe.lacking,
    )


def _agent(row: Agent, link: Link | None) -> AgentView:
    view = AgentView(
        name=row.name,
        up=False,
        journal=row.journal,
        leaving=row.leaving,
        capacity=row.spec.get("capacity"),
        caught_up=False,
        autostart=row.spec.get("autostart", CRON),
    )
    if link is None:
        return view
    stowed = frozenset(link.stowed)
    return view._replace(up=link.up, caught_up=link.caught_up, told=link.told, stowed=stowed)


def run_view(row: runs.Open, safe: Safe | None = None) -> RunView:
    """A run that control is not done with."""
    return RunView(
        id=row.id,
        key=f"{row.workflow}/{row.pipeline}",
        agent=row.agent,
        phase=row.phase,
        wish=row.wish,
        wish_seen=row.wish_seen,
        sent_journal=row.sent_journal,
        known=bool(row.known),
        ended=bool(row.ended),
        archived=bool(row.archived),
        released=bool(row.released),
        workspace_dropped=bool(row.workspace_dropped),
        newer_ended=bool(row.newer_ended),
        lays=row.artifacts is not None,
        attempt=row.attempt,
        policy=row.policy,
        wish_reason=row.wish_reason or phases.CANCELLED,
        secrets=bool(row.secrets),
        unlocked=safe is not None and row.id in safe.values,
        missing=safe.missing.get(row.id, "") if safe is not None else "",
        retry=None if row.retry_attempt is None else Retry(row.id, row.retry_attempt, row.retry_start),
    )
