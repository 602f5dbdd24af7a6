"""Passes over a world that loses connections, homes, messages and control: what must hold whatever happens.

A model of control (rows that survive, and may be copied aside and restored) and of agents (a journal that survives
until it is wiped), with `decide` and `recovery` between them. Control stores its intents first and may die before
it sends them; what is sent may come twice. Every record of an agent moves the cursor, as in `store.record`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from xene.plan import recovery
from xene.plan.dispatch import AgentView, Assigned, Held, Orders, RunView, decide

AGENTS = ("a", "b")
KEYS = ("w/p", "w/q")


@dataclass
class Host:
    """An agent: what its journal holds, what is on its way to it and from it."""

    journal: str
    has: dict[str, str] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)  # id -> Queued | Running | Success | Error
    seen: dict[str, str] = field(default_factory=dict)
    inbox: list[Orders] = field(default_factory=list)
    log: list[tuple[dict[str, str], list[str]]] = field(default_factory=list)  # `assigned`: new and gone
    released: list[str] = field(default_factory=list)
    last: int = 0  # of the log when it said hello
    up: bool = False
    told: Orders = field(default_factory=Orders)

    def note(self) -> None:
        """A record about a run."""
        self.log.append(({}, []))


class World:
    def __init__(self) -> None:
        self.hosts = {name: Host(f"{name}-0") for name in AGENTS}
        self.journals: dict[str, str | None] = dict.fromkeys(AGENTS)  # as control knows them
        self.cursors = dict.fromkeys(AGENTS, 0)
        self.wanted: dict[str, Assigned] = {}
        self.held: dict[tuple[str, str], str | None] = {}
        self.runs: dict[str, RunView] = {}
        self.began: dict[str, int] = {}
        self.fired = 0
        self.aside: tuple[object, ...] | None = None
        self.restored = False
        for name in AGENTS:
            self.connect(name)

    # -- control

    def decide(self) -> object:
        agents = [
            AgentView(
                name, host.up, self.journals[name], False, 4, self.cursors[name] >= host.last, host.told
            )
            for name, host in self.hosts.items()
        ]
        held = [Held(key, agent, observed) for (agent, key), observed in self.held.items()]
        return decide(
            agents, list(self.wanted.values()), held, [run for run in self.runs.values() if not run.released]
        )

    def act(self, dies: bool) -> bool:
        decisions = self.decide()
        for holding in decisions.void_holdings:
            del self.held[holding]
        for agent, key in decisions.new_holdings:
            self.held[agent, key] = None
        for lost in decisions.end:
            self.change(lost.run, ended=True, phase="Error")
        for run in decisions.forget:
            self.change(run, released=True)
        for name, orders in decisions.orders.items():
            for run in orders.starts:
                self.change(run, sent_journal=self.journals[name])
        for name, orders in decisions.orders.items():
            host = self.hosts[name]
            if dies:
                host.up, host.told, host.inbox = False, Orders(), []
                continue
            host.told = host.told.plus(orders)
            host.inbox.append(orders)
            for each in orders.collect:
                self.change(each.run, archived=True)
            for run in orders.release_workspaces:
                self.change(run, workspace_dropped=True)
        return bool(decisions)

    def change(self, run: str, **more: object) -> None:
        self.runs[run] = self.runs[run]._replace(**more)

    def a_pass(self, dies: bool, heard: str) -> None:
        """One pass; `heard` are the agents that get and answer what was sent at once."""
        self.act(dies)
        if not dies:
            # what control changed in its own rows may bring something more, but only so often
            assert any(not self.act(False) for _ in range(3))
        for name in heard:
            self.take(name)
            self.report(name)

    def place(self, key: str, agent: str, revision: str) -> None:
        if self.restored and self.takes_along(key, agent):
            return  # docs/failure-model.md, "What is not promised"
        self.wanted[key] = Assigned(key, agent, revision)
        if self.moves_unsent(key, agent):
            self.aside = None  # docs/failure-model.md, "What is not promised"
        for run in self.runs.values():
            if run.key == key and run.sent_journal is None and not run.ended:
                self.change(run.id, agent=agent)

    def unplace(self, key: str) -> None:
        self.wanted.pop(key, None)

    def fire(self, key: str) -> None:
        if key in self.wanted and self.fired < 6:
            self.runs[str(self.fired)] = RunView(str(self.fired), key, self.wanted[key].agent, "Queued")
            self.fired += 1

    def takes_along(self, key: str, agent: str) -> bool:
        """Whether an unsent run would leave an agent that is not known to hold its pipeline."""
        return any(
            run.key == key
            and run.agent != agent
            and not run.sent_journal
            and (run.agent, key) not in self.held
            for run in self.runs.values()
        )

    def moves_unsent(self, key: str, agent: str) -> bool:
        """Whether a run that the copy holds as unsent would go to another agent."""
        copied: dict[str, RunView] = self.aside[0] if self.aside else {}  # type: ignore[assignment]
        return any(run.key == key and run.agent != agent and not run.sent_journal for run in copied.values())

    def copy_aside(self) -> None:
        rows = (self.runs, self.held, self.journals, self.cursors, self.wanted)
        self.aside = copy.deepcopy(rows)

    def used_after_a_copy(self, key: str) -> None:
        """A run is stored, the state copied aside; the run goes its whole way, until its agent forgets it."""
        self.fire(key)
        self.copy_aside()
        for _ in range(4):
            self.a_pass(False, "ab")
            for name in AGENTS:
                self.work(name, True)

    def restore(self) -> None:
        """The copy takes the place of the state; every connection has ended with the command before."""
        if self.aside is None:
            return
        rows = copy.deepcopy(self.aside)
        self.runs, self.held, self.journals, self.cursors, self.wanted = rows  # type: ignore[assignment]
        self.restored = True
        for name in AGENTS:
            self.disconnect(name)

    def wish(self, number: int, wish: str) -> None:
        run = self.runs.get(str(number))
        if run is not None and not run.ended:
            self.change(run.id, wish="kill" if run.wish == "kill" else wish)

    # -- the wire

    def connect(self, name: str) -> None:
        host = self.hosts[name]
        if host.up:
            return
        host.up, host.told, host.inbox, host.last = True, Orders(), [], len(host.log)
        mine = [run for run in self.runs.values() if run.agent == name]
        loss = recovery.on_hello(name, host.journal, mine)
        for lost in loss.runs:
            self.change(lost.run, ended=True, phase="Error", archived=True)
        for run in loss.logs:
            self.change(run, archived=True)
        if self.journals[name] != host.journal:
            self.held = {key: observed for key, observed in self.held.items() if key[0] != name}
            self.cursors[name] = 0
        self.journals[name] = host.journal

    def twice(self, name: str) -> None:
        """Each message that is on its way comes twice; never an older one after a newer."""
        self.hosts[name].inbox = [orders for orders in self.hosts[name].inbox for _ in range(2)]

    def disconnect(self, name: str) -> None:
        self.hosts[name].up, self.hosts[name].inbox = False, []

    # -- agents

    def take(self, name: str) -> None:
        host = self.hosts[name]
        for orders in host.inbox:
            if orders.assign is not None:
                wanted = orders.assign.all
                new = {
                    key: revision
                    for key, revision in wanted.items()
                    if host.has.get(key) != revision or self.held.get((name, key)) != revision
                }
                gone = [key for key in host.has if key not in wanted]
                if new or gone:
                    host.log.append((new, gone))
                host.has = dict(wanted)
            for run in orders.starts:
                if run not in host.runs:
                    host.note()
                    host.runs[run] = "Queued"
                    self.began[run] = self.began.get(run, 0) + 1
            for run, kill, _, _ in orders.cancels:
                assert run in host.runs or run in host.released, "a cancel came before its start"
                if run not in host.runs:
                    continue
                host.note()
                host.seen[run] = "kill" if kill else "cancel"
                host.runs[run] = host.runs[run] if host.runs[run] == "Success" else "Error"
            for run in orders.release_runs:
                if run in host.runs:
                    assert host.runs.pop(run) in ("Success", "Error")
                    host.released.append(run)
                    host.note()
        host.inbox = []

    def work(self, name: str, ok: bool) -> None:
        host = self.hosts[name]
        for run, phase in host.runs.items():
            if phase == "Queued":
                host.runs[run] = "Running"
                host.note()
            elif phase == "Running":
                host.runs[run] = "Success" if ok else "Error"
                host.note()

    def report(self, name: str) -> None:
        host = self.hosts[name]
        if not host.up:
            return
        for run in (*host.runs, *host.released):
            self.adopt(name, run)
        for run in host.released:
            row = self.runs.get(run)
            if row is not None and row.agent == name and row.sent_journal == host.journal:
                ended = row.ended or self.cursors[name] < len(host.log)
                self.change(run, known=True, ended=ended, released=ended, archived=row.archived or ended)
                if not row.ended:
                    self.change(run, phase="Error")
        for run, phase in host.runs.items():
            row = self.runs.get(run)
            if row is None:
                continue  # fired after the copy: a foreign report
            if row.agent == name and row.sent_journal == host.journal and not row.ended:
                ended = phase in ("Success", "Error")
                self.change(run, known=True, phase=phase, ended=ended, wish_seen=host.seen.get(run))
        for new, gone in host.log[self.cursors[name] :]:
            for key, revision in new.items():
                if (name, key) in self.held:
                    self.held[name, key] = revision
            for key in gone:
                self.held.pop((name, key), None)
        self.cursors[name] = len(host.log)

    def adopt(self, name: str, run: str) -> None:
        """As `store.record` does with a report about a run that this state never sent."""
        row = self.runs.get(run)
        if row is None or row.sent_journal is not None or row.ended:
            return
        if row.agent == name or (name, row.key) in self.held:
            self.change(run, agent=name, sent_journal=self.hosts[name].journal)

    def wipe(self, name: str) -> None:
        if self.restored:
            return  # a restored state beside a wiped home: nobody knows any more
        self.aside = None
        old = self.hosts[name].journal
        self.hosts[name] = Host(f"{name}-{int(old.partition('-')[2]) + 1}")

    # -- what must hold

    def what_is_observed_is_there(self) -> None:
        """`observedRevision` never lies: it was the agent's when it said so, and no later word was passed over."""
        for (name, key), observed in self.held.items():
            host = self.hosts[name]
            if observed is not None and self.journals[name] == host.journal:
                said = [new[key] for new, _ in host.log[: self.cursors[name]] if key in new]
                assert said and said[-1] == observed

    def no_pipeline_is_held_twice(self) -> None:
        if self.restored:
            return  # until all were heard: the state may not know that one has it
        holders = [key for host in self.hosts.values() for key in host.has]
        assert len(holders) == len(set(holders))

    def what_an_agent_has_is_known_to_be_held(self) -> None:
        if self.restored:
            return
        for name, host in self.hosts.items():
            if self.journals[name] == host.journal:
                assert all((name, key) in self.held for key in host.has)

    def no_run_begins_twice(self) -> None:
        assert all(times == 1 for times in self.began.values())

    def settle(self) -> None:
        """In quiet times everything settles."""
        for _ in range(8):
            for name in AGENTS:
                self.connect(name)
                self.take(name)
                self.work(name, True)
                self.report(name)
            self.act(False)
        assert {key: agent for agent, key in self.held} == {
            key: each.agent for key, each in self.wanted.items()
        }
        assert all(self.held[each.agent, key] == each.revision for key, each in self.wanted.items())
        assert all(run.ended for run in self.runs.values() if run.key in self.wanted)
        self.no_run_begins_twice()
        holders = [key for host in self.hosts.values() for key in host.has]
        assert len(holders) == len(set(holders))


MENU = [
    *(("a_pass", (dies, heard)) for dies in (False, False, True) for heard in ("a", "b", "ab", "")),
    *(("place", (key, agent, revision)) for key in KEYS for agent in AGENTS for revision in "12"),
    *(("unplace", (key,)) for key in KEYS[:1]),
    *(("fire", (key,)) for key in KEYS),
    *(("wish", (number, wish)) for number in range(4) for wish in ("cancel", "kill")),
    *((act, (name,)) for act in ("connect", "disconnect", "take", "report", "wipe") for name in AGENTS),
    *(("work", (name, ok)) for name in AGENTS for ok in (True, False)),
    *(("copy_aside", ()), ("restore", ()), ("restore", ())),
    *(("used_after_a_copy", (key,)) for key in KEYS),
    *(("twice", (name,)) for name in AGENTS),
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(MENU), min_size=15, max_size=60))
def test_whatever_happens(acts: list[tuple[str, tuple[object, ...]]]) -> None:
    world = World()
    for name, arguments in acts:
        getattr(world, name)(*arguments)
        world.no_pipeline_is_held_twice()
        world.no_run_begins_twice()
        world.what_an_agent_has_is_known_to_be_held()
        world.what_is_observed_is_there()
    world.settle()
