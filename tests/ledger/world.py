"""A control host and its agents in one process, in time that a test makes pass, over wires that it cuts.

Control is the real one: its passes, its store (SQLite on disk, without waiting for it), placement, leases, charges,
accounting. Left out are threads, sockets and logs.
"""

from __future__ import annotations

import json
import random
from heapq import heapify, heappop, heappush
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Iterable

import pytest

from tests.ledger.agents import Agent, NoAlarm, _Nothing
from xene.agent import duties
from xene.control import agents as removing
from xene.control import apply, hearing, leasing, overriding, passes, sessions
from xene.control.apply import Options
from xene.control.place import Place
from xene.control.sessions import Came, Room, Sessions
from xene.engine.slots import Schedule
from xene.manifest.repository import Entry, Repository
from xene.manifest.zones import zone_of
from xene.model import codec, phases
from xene.model.trigger import cron_from_json
from xene.plan.leases import Clock
from xene.store import db, runs
from xene.transport.session import Down, Got, Up

START = 1_790_000_000.0
TIME = SimpleNamespace(now=START)  # there is one world at a time
LOOK = 20.0  # seconds between two turns of a control that is at work
SETTLING = 120.0  # the same at the end, when whoever looked seldom has to hear all there is


class Archive(_Nothing):
    """Logs are nobody's concern here: they are settled as soon as they are asked for."""

    def __init__(self, *_: Any) -> None:
        self.settled: list[str] = []

    def begin(self, _: str, run: str) -> tuple[int, dict[str, int]]:
        self.settled.append(run)
        return 0, {}

    def settle(self, run: str, _: str) -> None:
        self.settled.append(run)

    def piece(self, *_: Any) -> bool:
        return False

    followed = failed = piece


class Carrier(_Nothing):
    """Artifacts, of which there are none."""

    def __init__(self, *_: Any) -> None:
        self.troubles: list[Any] = []
        self.moved = False

    def take(self, *_: Any) -> bool:
        return False

    def resume(self, *_: Any) -> bool:
        return False


class Wires(Sessions):
    """Connections that the world makes and cuts."""

    world: World

    def reach(self, agents: Iterable[Any]) -> None:
        for agent in agents:
            link = self.link(agent.name)
            if link.session is None and self.world.now >= link.next_try:
                link.cursor = (agent.journal, agent.cursor)
                self._tokens += 1
                link.token, link.session = self._tokens, SimpleNamespace(close=lambda: None)  # type: ignore[assignment]
                self.world.connect(agent.name, link.cursor)

    def send(self, name: str, message: Any, blob: bytes = b"") -> bool:
        link = self.links.get(name)
        if link is None or link.session is None or not link.up:
            return False
        self.world.tell(name, json.loads(json.dumps(message)))
        return True


class World:
    """`draw` decides what is left to chance. Everything that control believes is in the state at `path`."""

    def __init__(self, root: Path, names: Iterable[str], draw: random.Random) -> None:
        self.now, self.draw = START, draw
        self.looks = LOOK
        self.place = Place(str(root / "state.db"), str(root))
        with db.open_state(self.place.state) as state:
            self.uuid = state.uuid
        self._inbox: list[Any] = []
        self._letters: list[tuple[str, Any]] = []
        self.cut: set[str] = set()
        self.sent: dict[str, int] = {}  # how far each connected agent has told its journal
        self.met: dict[str, int] = {}  # the daemon of each agent that was connected to
        self.control: passes.Control | None = None
        self.agents = {
            name: Agent(name, self.uuid, root / "hosts", lambda: self.now, self._says, draw) for name in names
        }
        self.flows: dict[str, Any] = {}
        self.lives: dict[tuple[str, str], list[list[Any]]] = {}  # of triggers: [since, until, cron]
        self.start_control()

    @property
    def now(self) -> float:
        """What all true clocks show."""
        return float(TIME.now)

    @now.setter
    def now(self, at: float) -> None:
        TIME.now = at

    # -- control

    def start_control(self) -> None:
        state = db.open_state(self.place.state)
        state.conn.execute("PRAGMA synchronous = OFF")
        Wires.world = self
        self.control = passes.Control(self.place, state, clock=self.boot_clock)

    def stop_control(self) -> None:
        """As by a kill: what was on the wires is lost, what was stored stays."""
        if self.control is not None:
            self.control.state.close()
        self.control, self._inbox, self._letters, self.sent = None, [], [], {}

    def boot_clock(self) -> Clock:
        return Clock("control", self.now - START + 1.0, self.now)

    def turn(self) -> None:
        """One turn of control: connect, pass, hear, until nothing more is said."""
        control = self.control
        if control is None:
            return
        control._version = -1  # whoever wrote is not known
        control.look_again()
        for _ in range(6):
            control.connect(list(self.agents))
            if control.dirty:
                control.make_pass()
            self._archive(control)
            self._deliver()
            said, self._inbox = self._inbox + self._news(), []
            control._take([Came(control.sessions.link(i.agent).token, i, 0, Room()) for i in said])
            if not said and not control.dirty:
                break
        self._note_observed()

    def _archive(self, control: passes.Control) -> None:
        done, control.archive.settled = control.archive.settled, []  # type: ignore[attr-defined]
        if done:
            with control.state.transaction() as conn:
                for run in done:
                    runs.archived(conn, run, "gone", "it was not kept")
            control.dirty = True

    # -- the wires

    def is_cut(self, name: str) -> bool:
        return name in self.cut or not self.agents[name].alive

    def is_lost(self, name: str) -> bool:
        """Whether the connection that there was leads nowhere: cut, or to a daemon that is no more."""
        return self.is_cut(name) or self.met[name] != self.agents[name].daemons

    def connect(self, name: str, cursor: tuple[str | None, int]) -> None:
        if self.is_cut(name):
            self._inbox.append(Down(name, phases.UNREACHABLE, "NoRoute", "no route"))
            return
        agent = self.agents[name]
        self.met[name] = agent.daemons
        self.sent[name] = cursor[1] if cursor[0] == agent.journal.uuid else 0
        self._inbox.append(Up(name, agent.hello()))
        agent.turn()  # it asks for its lease at once, and control hears that with the hello
        agent.flush()

    def tell(self, name: str, message: Any) -> None:
        self._letters.append((name, message))

    def _deliver(self) -> None:
        """What control has said, less what a wire has lost; an agent is durable before it answers."""
        letters, self._letters = self._letters, []
        for name, message in letters:
            if name in self.sent and not self.is_lost(name):
                self.agents[name].hear(message) if message["type"] != "follow" else None
        for name in {name for name, _ in letters}:
            if self.agents[name].alive:
                self.agents[name].flush()

    def _says(self, name: str, message: Any) -> bool:
        if self.control is None or name not in self.sent or self.is_lost(name):
            return False
        self._inbox.append(Got(name, message, b""))
        return True

    def _news(self) -> list[Any]:
        """The journals of who is connected; and the ends of connections that are cut."""
        found: list[Any] = []
        for name in list(self.sent):
            agent = self.agents[name]
            if self.is_lost(name):
                del self.sent[name]
                found.append(Down(name, phases.UNREACHABLE, "ConnectionLost", "cut"))
                continue
            batch = json.loads(json.dumps(list(agent.events(self.sent[name]))))
            if batch:
                self.sent[name] += len(batch)
                found.append(Got(name, {"type": "events", "events": batch}, b""))
        return found

    # -- time

    def pass_time(self, seconds: float) -> None:
        """Both sides at work for so long: agents whenever they have something to do, control now and then."""
        until = self.now + seconds
        while self.now < until:
            look = min(until, self.now + (self.looks if self.control is not None else seconds))
            self._let_agents_work(look)
            self.now = look
            self.turn()

    def _let_agents_work(self, until: float) -> None:
        wakes = [(self.now + agent.wakes_in(), name) for name, agent in self.agents.items() if agent.alive]
        heapify(wakes)
        while wakes and wakes[0][0] <= until:
            at, name = heappop(wakes)
            self.now = at
            self.agents[name].turn()
            self.agents[name].flush()
            heappush(wakes, (at + self.agents[name].wakes_in(), name))

    # -- what people do

    def apply(self, workflow: str, pipelines: dict[str, Any], triggers: dict[str, Any]) -> None:
        data = {
            "apiVersion": "xene/v1",
            "kind": "Workflow",
            "metadata": {"name": workflow},
            "spec": {
                "triggers": {key: {"cron": cron} for key, cron in triggers.items()},
                "pipelines": pipelines,
            },
        }
        self._apply(data)
        self.flows[workflow] = data
        wanted = {
            (f"{workflow}/{name}", trigger): triggers[trigger]
            for name, body in pipelines.items()
            for trigger in body.get("triggers", ())
        }
        for key, lives in self.lives.items():
            if key[0].startswith(f"{workflow}/") and lives[-1][1] is None and wanted.get(key) != lives[-1][2]:
                lives[-1][1] = self.now
        for key, cron in wanted.items():
            lives = self.lives.setdefault(key, [])
            if not lives or lives[-1][1] is not None:
                lives.append([self.now, None, cron, None])

    def declare(self, *agents: dict[str, Any]) -> None:
        for data in agents:
            self._apply(data)

    def _apply(self, data: dict[str, Any]) -> None:
        entry = Entry(
            data["kind"], data["metadata"]["name"], {}, codec.digest(data), json.dumps(data), "x.yaml", 1
        )
        repository = Repository("/x", "test", False, (entry,), ())
        with db.open_state(self.place.state) as state:
            state.conn.execute("PRAGMA synchronous = OFF")
            apply._write(state, repository, Options(yes=True), None)

    def suspend(self, workflow: str, pipeline: str, value: bool) -> None:
        with db.open_state(self.place.state) as state, state.transaction() as conn:
            overriding._suspend(conn, self.now, workflow, pipeline, value)

    def cordon(self, agent: str, value: bool) -> None:
        with db.open_state(self.place.state) as state:
            overriding.say_of_agent(state, agent, cordoned=value, drained=value)

    # -- what must hold

    def _note_observed(self) -> None:
        """From when on the agents fire what was wanted last: before that, an older schedule may have fired."""
        assert self.control is not None
        with self.control.state.snapshot() as conn:
            behind = {
                f"{row[0]}/{row[1]}"
                for row in conn.execute(
                    "SELECT p.workflow, p.name FROM pipelines p WHERE p.tag IS NULL OR NOT EXISTS (SELECT 1 FROM"
                    " holdings h WHERE h.workflow = p.workflow AND h.pipeline = p.name AND h.agent = p.agent"
                    " AND h.observed_revision = p.tag)"
                )
            }
        for (key, _), lives in self.lives.items():
            if key not in behind and lives[-1][3] is None:
                lives[-1][3] = self.now

    def settle(self) -> None:
        """Everything is mended, and all that can be told is told."""
        self.cut.clear()
        for agent in self.agents.values():
            agent.skew = 0.0
            if not agent.alive:
                agent.restart()
        if self.control is None:
            self.start_control()
        for name in self.agents:
            self.cordon(name, False)
        self.looks = min(self.looks, SETTLING)
        self.pass_time(1800)

    def check(self) -> int:
        """Exactly one row for each due instant, no fired row without its run, nothing twice; how many rows."""
        with db.open_for_reading(self.place.state) as state:
            rows = state.conn.execute(
                "SELECT s.workflow || '/' || s.pipeline, s.trigger, s.at, s.outcome, s.settled, s.run, s.agent,"
                " r.slot, r.agent FROM slots s LEFT JOIN runs r ON r.id = s.run"
            ).fetchall()
            doubled = state.conn.execute(
                "SELECT workflow, pipeline, trigger, slot, count(*) FROM runs WHERE slot IS NOT NULL"
                " GROUP BY 1, 2, 3, 4 HAVING count(*) > 1"
            ).fetchall()
            runs_there = {row[0] for row in state.conn.execute("SELECT id FROM runs")}
        orphans = runs_there - {row[5] for row in rows}
        assert not doubled and not orphans, (doubled, orphans)
        seen: dict[tuple[str, str], set[float]] = {}
        for key, trigger, at, outcome, settled, run, agent, slot, where in rows:
            assert (outcome == "fired") == (run is not None), (key, at, outcome, run)
            assert outcome != "fired" or (slot == at and where == agent), (key, at, slot, where, agent)
            assert settled, (key, trigger, at, outcome)
            seen.setdefault((key, trigger), set()).add(at)
        self._check_agents({row[5] for row in rows if row[5]})
        for name, lives in self.lives.items():
            self._check_life(name, lives, seen.get(name, set()))
        return len(rows)

    def _check_agents(self, known: set[str]) -> None:
        """Each run was accepted once, by one agent, and control knows of it."""
        where: dict[str, list[str]] = {}
        for agent in self.agents.values():
            for run, times in agent.accepted.items():
                where.setdefault(run, []).extend([agent.name] * times)
        twice = {run: names for run, names in where.items() if len(names) > 1}
        assert not twice, twice
        assert set(where) == known, (set(where) - known, known - set(where))

    def _check_life(self, name: tuple[str, str], lives: list[list[Any]], seen: set[float]) -> None:
        possible: set[float] = set()
        for number, (since, until, cron, observed) in enumerate(lives):
            parsed = cron_from_json(cron)
            schedule = Schedule(parsed, zone_of(parsed.time_zone))
            end = self.now if until is None else until
            later = lives[number + 1][3] if number + 1 < len(lives) else None
            tail = self.now if later is None else later  # until then the old one may have fired
            possible |= {each.at for each in schedule.between(since, tail + 300)}
            begin = since if number == 0 else observed
            if begin is not None:
                due = {each.at for each in schedule.between(max(begin, since), min(end, self.now - 900))}
                assert due <= seen, (name, "no row", sorted(due - seen)[:5], (since, until, observed))
        assert seen <= possible, (name, "never due", sorted(seen - possible)[:5])


def install(patch: pytest.MonkeyPatch) -> None:
    """Put the world's time and its wires in the places of the real ones."""
    clock = SimpleNamespace(time=lambda: TIME.now, monotonic=lambda: TIME.now)
    for module in (passes, hearing, leasing, sessions, apply, overriding, removing):
        patch.setattr(module, "time", clock)
    patch.setattr(passes, "Sessions", Wires)
    patch.setattr(passes, "Archive", Archive)
    patch.setattr(passes, "Fetching", Carrier)
    patch.setattr(passes, "Stowing", Carrier)
    patch.setattr(passes, "Listener", lambda *_: _Nothing())
    patch.setattr(duties, "Alarm", NoAlarm)
