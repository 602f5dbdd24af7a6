"""Agents in one process and in time that a test makes pass: the real triggers, leases and ledger of the daemon over
a journal in memory. Nothing of theirs is simulated but the host: clocks, disk, runs that take a while, the wire.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Callable, Iterator

from xene.agent import duties
from xene.agent.accepting import Accepting
from xene.agent.home import Home
from xene.agent.ledger import Ledger
from xene.engine.clock import Clock
from xene.engine.progress import RunProgress
from xene.model import events as ev
from xene.model import phases
from xene.model.events import Event
from xene.wire import messages


class Journal:
    """What a daemon has written; `fresh` is not durable yet, and a crash may keep the beginning of it."""

    path, size = "memory", 0

    def __init__(self, durable: list[Event], uuid: str) -> None:
        self.durable, self.uuid, self.fresh = durable, uuid, list[Event]()

    def append(self, event: Event) -> Event:
        event["n"] = len(self.durable) + len(self.fresh) + 1
        self.fresh.append(event)
        return event

    def flush(self) -> None:
        self.durable += self.fresh
        self.fresh = []


class NoAlarm:
    """The test looks at the clocks itself."""

    works = True

    def __init__(self, *_: Any) -> None:
        pass

    def set(self, _: float | None) -> None:
        pass


class _Nothing:
    """What needs no answer here."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_, **__: None


class _Secrecy:
    vault = _Nothing()

    def lacks(self, _: RunProgress) -> bool:
        return False


class Work:
    """Runs that only take time."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.secrecy = _Secrecy()
        self.may_start: Callable[[str], bool] = lambda _: True

    def clock(self) -> Clock:
        return self._agent.clock()

    def hold(self, run: RunProgress) -> None:
        if run.held is None and not self.may_start(run.key):
            self._agent.record(
                ev.run_held(self.clock().at, run.order.id, phases.WAITING_FOR_LEASE, "no lease")
            )

    def free(self, run: RunProgress, reason: str) -> None:
        if run.held is not None and run.held[0] == reason:
            self._agent.record(ev.run_freed(self.clock().at, run.order.id))

    def cancel(self, name: str) -> None:
        self._agent.end(name, phases.ERROR, phases.CANCELLED)

    def touch(self, _: str) -> None:
        pass

    def unlock(self, *_: Any) -> None:
        pass


class Agent:
    """One host. `say` gives a message to control, and says whether there is one to give it to."""

    def __init__(
        self,
        name: str,
        state: str,
        root: Path,
        now: Callable[[], float],
        say: Callable[[str, Any], bool],
        draw: random.Random,
    ) -> None:
        self.name, self._now, self._say, self._draw = name, now, say, draw
        self.home = Home(str(root / state / name))
        Path(self.home.path).mkdir(parents=True, exist_ok=True)
        self.skew, self.boot, self.boots, self.booted = 0.0, f"{name}-0", 0, now()
        self._counted = 0
        self.accepted: dict[str, int] = {}  # runs whose acceptance is durable: how often
        self.journal = Journal([], f"{name}-journal")
        self.journal.append(ev.journal_begun(now(), self.journal.uuid))
        self.alive, self.daemons = True, 0
        self._come_up()

    # -- the host

    def clock(self) -> Clock:
        return Clock(self._now() + self.skew, self.boot, self._now() - self.booted + 1.0)

    def crash(self, *, reboot: bool = False) -> None:
        """The daemon, or with `reboot` the host, is no more. Of what was not durable the beginning may be."""
        kept = self._draw.randint(0, len(self.journal.fresh))
        self.journal.durable += self.journal.fresh[:kept]
        self.journal.fresh = []
        self._count()
        self.alive = False
        if reboot:
            self.boots += 1
            self.boot, self.booted = f"{self.name}-{self.boots}", self._now()

    def restart(self) -> None:
        self.alive = True
        self._come_up()

    def _come_up(self) -> None:
        self.daemons += 1
        self.journal = Journal(self.journal.durable + self.journal.fresh, self.journal.uuid)
        self.ledger = Ledger(self.journal, list(self.journal.durable))  # type: ignore[arg-type]
        self.work = Work(self)
        self._ends: dict[str, float] = {}
        accepting = Accepting(self.ledger, self.work, self.record, _Nothing())  # type: ignore[arg-type]
        self.duties = duties.Duties(
            self.home, self.ledger, self.work, accepting, self.record, _Nothing(), self._ask, _Nothing()  # type: ignore[arg-type]
        )  # fmt: skip
        self.duties.begin()
        self.flush()

    # -- its turn

    def record(self, event: Event) -> None:
        self.ledger.record(event)

    def flush(self) -> None:
        self.journal.flush()
        self._count()

    def _count(self) -> None:
        """Every acceptance of a run that has become durable."""
        for event in self.journal.durable[self._counted :]:
            if event["type"] == "run.accepted":
                self.accepted[event["run"]] = self.accepted.get(event["run"], 0) + 1
        self._counted = len(self.journal.durable)

    def turn(self) -> None:
        """What the daemon does when it wakes up, up to the moment before it is durable."""
        self.duties.tick()
        now = self.clock()
        for name in self.ledger.admissible():
            self.record(ev.run_started(now, name))
        for name in list(self.ledger.active):
            if now.up >= self._ends.setdefault(name, now.up + self._draw.choice([0.0, 30.0, 400.0])):
                self.end(name, phases.SUCCESS, None)

    def end(self, name: str, phase: str, reason: str | None) -> None:
        self._ends.pop(name, None)
        self.record(ev.run_ended(self.clock().at, name, phase, reason))

    def wakes_in(self) -> float:
        """Seconds until it has something to do."""
        now = self.clock()
        at, up = self.duties.triggers.next_at(), self.duties._leases.next_at()
        waits = [self._ends[name] - now.up for name in self.ledger.active if name in self._ends]
        waits += [at - now.at] if at is not None else []
        waits += [up - now.up] if up is not None else []
        return max(0.0, min(waits, default=1e9)) + 0.001

    # -- the wire

    def _ask(self, message: Any) -> bool:
        return self._say(self.name, message)

    def hello(self) -> Any:
        self.duties.greeted()
        return messages.hello_from_agent(
            "v1", self.journal.uuid, len(self.journal.durable), self.boot, {"cpus": 8}
        )

    def events(self, after: int) -> Iterator[Event]:
        """What is durable behind a cursor, as control may see it."""
        return (ev.public(event) for event in self.journal.durable[after:])

    def hear(self, message: Any) -> None:
        getattr(self, f"_hear_{message['type']}")(message)

    def _hear_entrust(self, message: Any) -> None:
        wrong = self.duties.entrust(message["charges"], message["zones"])
        assert not wrong, wrong

    def _hear_assign(self, message: Any) -> None:
        held, asked = self.ledger.assignments, set(message["unconfirmed"])
        new = {key: tag for key, tag in message["all"].items() if held.get(key) != tag or key in asked}
        gone = [key for key in held if key not in message["all"]]
        self.duties.assign(new, gone, message["capacity"] or 8, "none")

    def _hear_granted(self, message: Any) -> None:
        self.duties.granted(message["boot"], message["up"])

    def _hear_cancel(self, message: Any) -> None:
        run = self.ledger.runs.get(message["run"])
        if run is not None and run.ended is None:
            self.end(message["run"], phases.ERROR, phases.CANCELLED)

    def _hear_release(self, message: Any) -> None:
        for name in message["runs"]:
            if name in self.ledger.runs:
                self.record(ev.run_released(self.clock().at, name))

    def _hear_stop(self, _: Any) -> None:
        self.crash()
