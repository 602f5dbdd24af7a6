"""What a pass sees of agents and runs, and what it may tell an agent: the values of `plan.dispatch`.

Made from rows by `control`, read by `plan.dispatch`, `plan.recovery` and `plan.retention`. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Mapping, NamedTuple, TypeVar

from xene.model import phases
from xene.model.agent import CRON
from xene.model.workflow import ALLOW

_T = TypeVar("_T")

CANCEL = "cancel"
KILL = "kill"


@dataclass(frozen=True)
class Assignment:
    """The whole set that belongs to an agent, `WORKFLOW/PIPELINE`: tag.

    With its capacity, where declared, and how its daemon comes back after a reboot.
    """

    all: Mapping[str, str]
    capacity: int | None
    autostart: str = CRON


class Cancel(NamedTuple):
    """A run that is to end. `attempt` tells the wish from one about an earlier attempt."""

    run: str
    kill: bool
    reason: str
    attempt: int


class Retry(NamedTuple):
    """An ended run that is to have another attempt, from the task `start` on (None: from what failed)."""

    run: str
    attempt: int
    start: str | None


class Answer(NamedTuple):
    """What somebody said to an approval. `at` tells one answer from the next."""

    run: str
    task: str
    approved: bool
    message: str
    at: float


class Unlock(NamedTuple):
    """A run whose agent is given the values of its secrets, after each attempt and on each connection anew."""

    run: str
    attempt: int


class Collect(NamedTuple):
    """An ended run whose logs are to be fetched, after each attempt."""

    run: str
    attempt: int


class Entrust(NamedTuple):
    """A charge that goes before the assignment which names its tag; with secrets also on each connection anew.

    `whole`: all secrets that its runs need go with it.
    """

    key: str
    tag: str
    whole: bool


@dataclass(frozen=True)
class Orders:
    """What one agent is told. Everything is idempotent there, so saying it twice does no harm.

    `entrusts` go first, the others in this order. `stow` are runs whose artifacts it must have before they are
    started.
    """

    assign: Assignment | None = None
    starts: tuple[str, ...] = ()
    unlocks: tuple[Unlock, ...] = ()
    retries: tuple[Retry, ...] = ()
    answers: tuple[Answer, ...] = ()
    cancels: tuple[Cancel, ...] = ()
    release_runs: tuple[str, ...] = ()
    release_workspaces: tuple[str, ...] = ()
    collect: tuple[Collect, ...] = ()
    stow: tuple[str, ...] = ()
    entrusts: tuple[Entrust, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, each.name) not in (None, ()) for each in fields(self))

    def plus(self, more: Orders) -> Orders:
        """What was said after `more` was said too.

        An agent forgets the charge of what it lets go of: it is entrusted anew when the pipeline comes back.
        """
        return Orders(
            more.assign or self.assign,
            self.starts + more.starts,
            self.unlocks + more.unlocks,
            self.retries + more.retries,
            self.answers + more.answers,
            self.cancels + more.cancels,
            self.release_runs + more.release_runs,
            self.release_workspaces + more.release_workspaces,
            self.collect + more.collect,
            self.stow + more.stow,
            _in_force(self.entrusts + more.entrusts, more.assign),
        )

    def minus(self, told: Orders) -> Orders:
        """What is new in it to an agent that was told `told`."""
        return Orders(
            None if self.assign == told.assign else self.assign,
            _without(self.starts, told.starts),
            _without(self.unlocks, told.unlocks),
            _without(self.retries, told.retries),
            _without(self.answers, told.answers),
            _without(self.cancels, told.cancels),
            _without(self.release_runs, told.release_runs),
            _without(self.release_workspaces, told.release_workspaces),
            _without(self.collect, told.collect),
            _without(self.stow, told.stow),
            _without(self.entrusts, told.entrusts),
        )


def _in_force(entrusts: tuple[Entrust, ...], assign: Assignment | None) -> tuple[Entrust, ...]:
    """Without the charges that an assignment has put an end to."""
    if assign is None:
        return entrusts
    return tuple(each for each in entrusts if assign.all.get(each.key) == each.tag)


def _without(items: tuple[_T, ...], known: tuple[_T, ...]) -> tuple[_T, ...]:
    if not items or not known:
        return items
    among = set(known)
    return tuple(item for item in items if item not in among)


class AgentView(NamedTuple):
    """An agent. `journal` is None until it was heard once; `leaving`: its object is gone.

    `capacity` is the declared one. `up`: a hello came on the present connection; `caught_up`: all events up to the
    `last` that this hello named are stored; `told`: all that was said on this connection; `stowed`: runs whose
    artifacts it has. `autostart` says how its daemon comes back after a reboot.
    """

    name: str
    up: bool
    journal: str | None
    leaving: bool
    capacity: int | None
    caught_up: bool
    told: Orders = Orders()
    stowed: frozenset[str] = frozenset()
    autostart: str = CRON


class Assigned(NamedTuple):
    """A pipeline that is Scheduled: where it belongs, and by which tag (`model.charge.tag`).

    `policy` is the concurrencyPolicy of one with a charge, else None. `secrets`: its charge needs some; `whole`:
    they are all at hand.
    """

    key: str
    agent: str
    revision: str
    policy: str | None = None
    secrets: bool = False
    whole: bool = True


class Held(NamedTuple):
    """A pipeline that an agent has, or may have. `observed` (a tag) is None until it confirmed it.

    `fenced`: its lease has ended, and another agent may have it.
    """

    key: str
    agent: str
    observed: str | None
    fenced: bool = False


class RunView(NamedTuple):
    """A run that control is not done with. `phase` is the last one known, never Unknown.

    `sent_journal`: to which journal of its agent it was sent (None: never). `known`: the agent reported about it.
    `wish_seen`: which wish the agent journalled. `archived`: its log is settled, complete or not.
    `newer_ended`: a newer run of its pipeline has ended, or the pipeline is gone. `policy` is its
    concurrencyPolicy. `retry`: another attempt of it is wanted. `lays`: it wants artifacts of other runs.
    """

    id: str
    key: str
    agent: str
    phase: str
    wish: str | None = None
    wish_seen: str | None = None
    sent_journal: str | None = None
    known: bool = False
    ended: bool = False
    archived: bool = False
    released: bool = False
    workspace_dropped: bool = False
    newer_ended: bool = False
    attempt: int = 1
    policy: str = ALLOW
    wish_reason: str = phases.CANCELLED
    retry: Retry | None = None
    secrets: bool = False
    unlocked: bool = False
    missing: str = ""
    lays: bool = False
