"""What each agent must be told now, and which agents must be reached.

Called by a reconcile pass with a snapshot of the state and of the connections. Pure: the pass stores
`new_holdings` and the runs it sends before it sends anything, so whatever dies in between, the next pass finds
what an agent may have. A second pass with nothing changed decides nothing, since `AgentView.told` holds what was
said on the present connection; on a new connection everything that is not confirmed is said again. An agent
drops its older connections when a new one says hello, so what was sent on those arrived before, or never will.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Iterable, Mapping, Sequence

from xene.model import phases
from xene.model.workflow import ALLOW
from xene.plan import retention
from xene.plan.orders import (
    KILL,
    AgentView,
    Answer,
    Assigned,
    Assignment,
    Cancel,
    Collect,
    Entrust,
    Held,
    Orders,
    RunView,
    Unlock,
)
from xene.plan.recovery import Lost

__all__ = [
    "AgentView",
    "Assigned",
    "Assignment",
    "Decisions",
    "Held",
    "Orders",
    "RunView",
    "decide",
    "of_runs",
    "untold",
]

AGENT_REMOVED = "AgentRemoved"
_STRENGTH = {None: 0, "cancel": 1, KILL: 2}


@dataclass(frozen=True)
class Decisions:
    """What a pass does next.

    `orders` by agent, only where there is something new to say. `new_holdings` are (agent, key) to be stored before
    that; `void_holdings` are to be removed: that assignment was sent and never arrived. `end` are runs that control
    itself ends, since no agent ever had them. `forget` are ended runs of which nothing is left on any agent. `gone`
    are leaving agents that are done: stop them if they are up, and drop them.
    """

    orders: Mapping[str, Orders]
    new_holdings: tuple[tuple[str, str], ...] = ()
    void_holdings: tuple[tuple[str, str], ...] = ()
    end: tuple[Lost, ...] = ()
    forget: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.orders or self.void_holdings or self.end or self.forget or self.gone)


def decide(
    agents: Sequence[AgentView],
    assigned: Iterable[Assigned],
    held: Iterable[Held],
    runs: Iterable[RunView],
    answers: Iterable[Answer] = (),
) -> Decisions:
    """What is to be done, from agents, scheduled pipelines, holdings, unsettled runs (oldest first) and answers."""
    world = _World(agents, assigned, held, runs, answers)
    orders, holdings, void = {}, [], []
    for agent in agents:
        void += [(agent.name, key) for key in _never_arrived(world, agent)]
        new = _orders(world, agent).minus(agent.told) if agent.up else Orders()
        if new:
            orders[agent.name] = new
        if new.assign is not None:
            has = world.held_by[agent.name]
            holdings += [(agent.name, key) for key in new.assign.all if key not in has]
    ending = [lost for run in world.runs if (lost := _ended_by_control(world, run)) is not None]
    forget = tuple(run.id for run in world.runs if _nothing_left(world, run))
    gone = tuple(agent.name for agent in agents if _is_done(world, agent))
    return Decisions(orders, tuple(holdings), tuple(void), tuple(ending), forget, gone)


class _World:
    """The snapshot, by what is asked of it."""

    def __init__(
        self,
        agents: Iterable[AgentView],
        assigned: Iterable[Assigned],
        held: Iterable[Held],
        runs: Iterable[RunView],
        answers: Iterable[Answer] = (),
    ) -> None:
        self.agents = {agent.name: agent for agent in agents}
        self.assigned = {each.key: each for each in assigned}
        self.runs = list(runs)
        self.holders: dict[str, set[str]] = defaultdict(set)
        self.held_by: dict[str, dict[str, str | None]] = defaultdict(dict)
        self.fenced: set[tuple[str, str]] = set()
        for holding in held:
            if holding.fenced:
                self.fenced.add((holding.key, holding.agent))
            else:
                self.holders[holding.key].add(holding.agent)
            self.held_by[holding.agent][holding.key] = holding.observed
        self.runs_of: dict[str, list[RunView]] = defaultdict(list)
        self.open_runs: dict[str, list[RunView]] = defaultdict(list)
        for run in self.runs:
            self.runs_of[run.agent].append(run)
            if not run.ended:
                self.open_runs[run.key].append(run)
        self.answers: dict[str, list[Answer]] = defaultdict(list)
        for answer in answers:
            self.answers[answer.run].append(answer)
        self._wanted_at: dict[str, dict[str, str]] = defaultdict(dict)
        for each in self.assigned.values():
            self._wanted_at[each.agent][each.key] = each.revision

    def held_elsewhere(self, key: str, agent: str) -> list[str]:
        """Other agents that have the pipeline, or may have it: until they let go, nobody else gets it.

        Those that are fenced are none of them: their lease has ended.
        """
        return sorted(self.holders.get(key, set()) - {agent})

    def runs_elsewhere(self, key: str, agent: str, but: str = "") -> list[RunView]:
        """Runs of the pipeline that may go on at other agents; where one is fenced nothing goes on."""
        return [
            run
            for run in self.open_runs.get(key, ())
            if run.id != but
            and run.agent != agent
            and run.sent_journal is not None
            and (key, run.agent) not in self.fenced
        ]

    def wanted_at(self, agent: str) -> dict[str, str]:
        """The pipelines that belong to `agent`, also those that another one still holds."""
        return self._wanted_at.get(agent, {})


def _orders(world: _World, agent: AgentView) -> Orders:
    """Everything that an agent should have been told on this connection by now."""
    runs = world.runs_of[agent.name]
    mine = [run for run in runs if run.sent_journal == agent.journal]
    to_start = [run for run in runs if _is_to_start(world, agent, run)]
    starts = tuple(run.id for run in to_start if not run.lays or run.id in agent.stowed)
    release_runs, release_workspaces = retention.releasable(mine, agent.leaving)
    assignment = _assignment(world, agent)
    return Orders(
        assignment,
        starts,
        tuple(Unlock(run.id, run.attempt) for run in mine if run.unlocked and not run.ended and run.known),
        tuple(run.retry for run in mine if run.retry is not None and run.ended and run.archived),
        tuple(each for run in mine if not run.ended for each in world.answers.get(run.id, ())),
        _cancels(mine, agent.caught_up),
        release_runs,
        release_workspaces,
        tuple(Collect(run.id, run.attempt) for run in mine if run.ended and not run.archived),
        tuple(run.id for run in to_start if run.lays),
        () if assignment is None else _entrusts(world, agent, assignment),
    )


def _entrusts(world: _World, agent: AgentView, assignment: Assignment) -> tuple[Entrust, ...]:
    """Charges that the agent has not confirmed; those with secrets on each connection: it may have lost them."""
    has = world.held_by.get(agent.name, {})
    return tuple(
        Entrust(key, tag, each.whole)
        for key, tag in assignment.all.items()
        if (each := world.assigned[key]).policy is not None and (each.secrets or has.get(key) != tag)
    )


def _assignment(world: _World, agent: AgentView) -> Assignment | None:
    """What belongs to the agent and is held by nobody else; nothing yet until it is known what it holds."""
    if not agent.caught_up:
        return None
    wanted = world.wanted_at(agent.name)
    blocked = {
        key
        for key in wanted
        if world.held_elsewhere(key, agent.name)
        or _is_letting_go(world, agent, key)
        or _must_wait(world, agent, key)
    }
    return Assignment(
        {key: wanted[key] for key in wanted if key not in blocked}, agent.capacity, agent.autostart
    )


def _must_wait(world: _World, agent: AgentView, key: str) -> RunView | None:
    """A run that goes on elsewhere, where the agent is new to a pipeline that fires by itself and not in parallel.

    Until that run has ended nobody here could see to the concurrencyPolicy: the agent fires with control away.
    """
    if world.assigned[key].policy in (None, ALLOW) or key in world.held_by.get(agent.name, {}):
        return None
    return next(iter(world.runs_elsewhere(key, agent.name)), None)


def _is_letting_go(world: _World, agent: AgentView, key: str) -> bool:
    """Whether the agent was just told to let go of it, and has not said that it did.

    Until then it does not get it back: its late "gone" would be taken for an answer to the newer assignment.
    """
    told = agent.told.assign
    return told is not None and key not in told.all and key in world.held_by.get(agent.name, {})


def _never_arrived(world: _World, agent: AgentView) -> list[str]:
    """Unwanted pipelines that were assigned over an earlier connection, which the agent's journal does not know.

    Only before anything is assigned on this connection: after that the answer may be under way.
    """
    if not (agent.up and agent.caught_up and agent.told.assign is None):
        return []
    wanted, has = world.wanted_at(agent.name), world.held_by.get(agent.name, {})
    return [key for key, observed in has.items() if observed is None and key not in wanted]


def _is_to_start(world: _World, agent: AgentView, run: RunView) -> bool:
    """Queued here and not known to have arrived; or sent over a connection that broke, to this very journal.

    Only once all that the agent has journalled is stored: a state restored from a copy may hold a run as unsent
    that this agent has had and forgotten, and would take for a new one.
    """
    if run.ended or run.known or not agent.caught_up or (run.secrets and not run.unlocked):
        return False
    if run.sent_journal is not None:
        return run.sent_journal == agent.journal
    if run.wish is not None or agent.leaving or world.held_elsewhere(run.key, agent.name):
        return False
    return run.policy == ALLOW or not _runs_elsewhere(world, run)


def _runs_elsewhere(world: _World, run: RunView) -> bool:
    """Whether an older run of its pipeline goes on at another agent. On its own one the agent sees to the order."""
    return bool(world.runs_elsewhere(run.key, run.agent, but=run.id))


def _cancels(runs: Iterable[RunView], caught_up: bool) -> tuple[Cancel, ...]:
    """Wishes that the agent has not journalled yet, or only a weaker one. The run itself was sent before."""
    return tuple(
        Cancel(run.id, run.wish == KILL, run.wish_reason, run.attempt)
        for run in runs
        if not run.ended and (run.known or caught_up) and _STRENGTH[run.wish] > _STRENGTH[run.wish_seen]
    )


def _ended_by_control(world: _World, run: RunView) -> Lost | None:
    """A run that no agent ever had, and that none will get."""
    if run.ended or run.sent_journal is not None:
        return None
    if run.wish is not None:
        reason = phases.KILLED if run.wish == KILL else run.wish_reason
        return Lost(run.id, reason, "it ended before it was sent")
    if run.missing:
        return Lost(run.id, phases.SECRET_MISSING, run.missing)
    agent = world.agents.get(run.agent)
    if (agent is None or agent.leaving) and run.key not in world.assigned:
        why = "was removed before the run was sent, and its pipeline is not scheduled elsewhere"
        return Lost(run.id, AGENT_REMOVED, f"agent {run.agent} {why}")
    return None


def _nothing_left(world: _World, run: RunView) -> bool:
    if not run.ended or run.released:
        return False
    agent = world.agents.get(run.agent)
    there = agent is not None and run.sent_journal == agent.journal
    return run.sent_journal is None or (run.archived and not there)


def _is_done(world: _World, agent: AgentView) -> bool:
    return agent.leaving and not world.held_by.get(agent.name) and not world.runs_of.get(agent.name)


# -- which agents must be reached


def untold(
    agents: Iterable[AgentView],
    assigned: Iterable[Assigned],
    held: Iterable[Held],
    runs: Iterable[RunView] = (),
) -> dict[str, str]:
    """Agents that have not been told what belongs to them, or never answered, with why: those an apply waits for.

    (`reconcile` reaches all agents, whatever this says.)
    """
    world = _World(agents, assigned, held, runs)
    reasons = {agent.name: _untold(world, agent) for agent in world.agents.values()}
    return {name: why for name, why in reasons.items() if why}


def _untold(world: _World, agent: AgentView) -> str:
    wanted, has = world.wanted_at(agent.name), world.held_by.get(agent.name, {})
    letting_go = sorted(set(has) - set(wanted))
    if letting_go:
        return f"has not let go of {_first(letting_go)}"
    behind = sorted(key for key in wanted if has.get(key) != wanted[key] or _is_letting_go(world, agent, key))
    waiting = {key: others for key in behind if (others := world.held_elsewhere(key, agent.name))}
    behind = [key for key in behind if key not in waiting and not _must_wait(world, agent, key)]
    if behind:
        return f"has not confirmed {_first(behind)}"
    if waiting:
        key, others = next(iter(waiting.items()))
        return f"waits until {', '.join(others)} lets go of {key}"
    return "has not been contacted yet" if agent.journal is None and not agent.leaving else ""


def _first(keys: Sequence[str]) -> str:
    return keys[0] + (f" and {len(keys) - 1} more" if len(keys) > 1 else "")


def open_work(
    agents: Sequence[AgentView], assigned: Sequence[Assigned], held: Sequence[Held], runs: Iterable[RunView]
) -> dict[str, str]:
    """All agents that have something to be told or to report, with why: `untold`, and those with runs."""
    known, names = list(runs), {agent.name for agent in agents}
    unfinished = {run.agent: run for run in known if run.agent in names and not (run.ended and run.archived)}
    return {name: f"has run {run.id}" for name, run in unfinished.items()} | untold(
        agents, assigned, held, known
    )


def of_runs(runs: Iterable[RunView], ids: Iterable[str]) -> dict[str, str]:
    """The agents that `run`, `cancel` or `wait` must reach for the runs `ids`, with why."""
    wanted = set(ids)
    return {
        run.agent: f"has run {run.id}"
        for run in runs
        if run.id in wanted and not (run.ended and run.archived)
    }
