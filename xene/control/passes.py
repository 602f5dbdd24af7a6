"""Control at work: takes what agents say, makes passes, tells agents what follows. Only for the holder of the lock.

Called by `control.drive`. One `turn` is: connect to whom must be reached, make a pass if something changed, wait
for news, store it. A pass reads one moment, lets `plan` decide, stores the intents in the same transaction, and
only then tells the agents; so a crash anywhere is repaired by the next pass.
"""

from __future__ import annotations

import queue
import time
from typing import Any, Callable, Iterable, Mapping

from xene.control import carrying, charging, following, hearing, leasing, placing, pruning, telling, world
from xene.control import safe as safes
from xene.control.accounting import Accounting
from xene.control.archive import Archive, Packed
from xene.control.breath import Breath
from xene.control.fetching import Fetching, Settled
from xene.control.heartbeat import Heartbeat
from xene.control.measure import PASS, Measure
from xene.control.place import Place
from xene.control.sessions import Came, Open, Sessions, open_channel
from xene.control.stowing import Stowing
from xene.control.wakeup import Listener, Nudge, Written
from xene.control.world import World
from xene.errors import Storage
from xene.model import phases
from xene.plan import dispatch
from xene.plan.leases import Clock
from xene.store import agents, pipelines
from xene.store.agents import Agent
from xene.store.db import State

FIRST_CONTACT = 10.0  # seconds that placement waits for agents that were never tried
LOOK = 0.5  # seconds between looks at a state that others may have written without a nudge
HOUSE = 30.0  # seconds between looks whether history is to be pruned
PASSES = 5  # what one pass ends or forgets may let the next one decide more


class Control:
    """The connections, the inbox and the archive of whoever holds the lock. `heard` is asked for log pieces."""

    def __init__(
        self,
        place: Place,
        state: State,
        *,
        open: Open = open_channel,
        clock: Callable[[], Clock] = leasing.read_clock,
        measure: Measure | None = None,
    ) -> None:
        self.place, self.state = place, state
        self.measure = measure or Measure()
        self.inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.sessions = Sessions(place, state.uuid, state.epoch, self.inbox, open=open)
        self.archive = Archive(place.logs(state.uuid), self.inbox)
        self.fetching = Fetching(place.artifacts(state.uuid), self.inbox, self.sessions)
        self.stowing = Stowing(place.artifacts(state.uuid), self.sessions)
        self.listener = Listener(state.path, self.inbox)
        self.accounting = Accounting()
        self._heartbeat, self._breath = Heartbeat(), Breath()
        self.world: World | None = None
        self.nudged = False
        self.dirty, self.unplaced = True, pipelines.want_placing(state.conn)
        self._others: list[Any] = []  # what came that is none of the matters of a pass
        self.on_log: Callable[[str, Mapping[str, Any], bytes], None] = lambda *_: None
        self._clock, self._over = clock, frozenset[tuple[str, str]]()
        self._lease_due: float | None = None  # the reading of the clock at which a lease may end
        charging.refresh_zones(state)
        self._began = self._house_at = time.monotonic()
        self._version = state.data_version()

    def __enter__(self) -> Control:
        return self

    def __exit__(self, *_: object) -> None:
        self.sessions.close()
        self.listener.close()

    def turn(self, reach: Iterable[str], timeout: float) -> bool:
        """One turn; waits at most `timeout` seconds for news. True if anything was stored or heard."""
        version = self.state.data_version()
        if version != self._version:
            self._version = version
            self.look_again()
        wanted = self.connect(reach)
        if self.dirty:
            self.make_pass()
        self._keep_house()
        at = self.sessions.next_try(wanted)
        wait = min(timeout, LOOK, max(0.0, at - time.monotonic()) if at is not None else LOOK)
        return self._take(self._wait(wait))

    def _keep_house(self) -> None:
        """Now and then one lot of what has had its time goes, and the next one in the next turn."""
        if time.monotonic() >= self._house_at:
            more = (
                pruning.is_due(self.state, time.time())
                and pruning.prune(self.place, self.state, time.time()).more
            )
            self._house_at = time.monotonic() + (0.0 if more else HOUSE)

    def look_again(self) -> None:
        """Make a pass in the next turn: somebody else has written, or may have."""
        self.dirty = True
        self.unplaced = self.unplaced or pipelines.want_placing(self.state.conn)

    def connect(self, reach: Iterable[str]) -> list[str]:
        """Connect to the agents of these names that there are; give those."""
        rows = self.world.rows if self.world is not None else self._rows()
        wanted = [name for name in reach if name in rows]
        self.sessions.reach(rows[name] for name in wanted)
        return wanted

    def _rows(self) -> Mapping[str, Agent]:
        with self.state.snapshot() as conn:
            return {row.name: row for row in agents.every(conn)}

    def _wait(self, seconds: float) -> list[Any]:
        items, began = [], time.monotonic()
        try:
            items.append(
                self.inbox.get(timeout=max(seconds, 0.0)) if seconds > 0 else self.inbox.get_nowait()
            )
            while len(items) < 1000:  # so that no flood keeps from what else there is to do
                items.append(self.inbox.get_nowait())
        except queue.Empty:
            pass
        self._breath.waited(time.monotonic() - began)
        for item in items:
            if isinstance(item, Came):
                item.taken()
        return items

    # -- a pass

    def make_pass(self) -> World:
        """Decide and carry out until nothing follows any more; give what was seen last."""
        self.dirty = False
        with self.measure.timed(PASS):
            self._pass_until_settled()
        assert self.world is not None
        return self.world

    def _pass_until_settled(self) -> None:
        for _ in range(PASSES):
            if not self._pass_once():
                return
        self.dirty = True

    def _pass_once(self) -> bool:
        now = time.time()
        self._place_and_charge(now)
        with self.state.snapshot() as conn:
            safe = safes.look(self.place.home, conn, self.sessions.links)
        with self.state.transaction() as conn:
            if charging.is_due(
                conn
            ):  # somebody wrote meanwhile: what was looked up may not be all that is needed
                self.world = self.world or world.read(conn, self.sessions.links)
                return True
            more = self.accounting.account(conn, now)
            followed = following.follow(conn, now)
            seen = world.read(conn, self.sessions.links, safe)
            decisions = dispatch.decide(seen.agents, seen.assigned, seen.held, seen.runs, seen.answers)
            letters = telling.carry_out(conn, now, self.sessions, seen, decisions, safe)
            gone = [name for name in decisions.gone if telling.is_droppable(self.sessions, seen, name)]
        self.world = seen
        telling.send(self.sessions, self.archive, self.fetching, self.stowing, letters)
        for run, why in telling.orphans(seen):
            self.archive.settle(run, why)
            self.fetching.settle(run, why)
        return bool(more or followed or decisions.end or decisions.forget or decisions.void_holdings or gone)

    def _place_and_charge(self, now: float) -> None:
        """Before all else, since what agents are entrusted with says which secrets are to be looked up."""
        with self.state.transaction() as conn:
            over = self._look_at_leases(conn, now)
            if self.unplaced:
                self._place(conn, now, over)
            charging.reckon(conn, now)

    def _look_at_leases(self, conn: Any, now: float) -> Mapping[tuple[str, str], float]:
        """The holdings whose lease has ended; a new one wants placement. An agent that hangs is let be."""
        clock = self._clock()
        outlook = leasing.find_over(conn, self.sessions, clock)
        hanging, again = leasing.hanging(conn, self.sessions, outlook.over, clock)
        self._lease_due = min((at for at in (outlook.next, again) if at is not None), default=None)
        self.unplaced = self.unplaced or not self._over.issuperset(outlook.over)
        self._over = frozenset(outlook.over)
        for name in hanging:
            words = "it is connected, and has long not asked for its lease: it is stopped, or hangs"
            hearing.unusable(conn, now, self.sessions, name, leasing.SILENT, words)
        return outlook.over

    def _place(self, conn: Any, now: float, over: Mapping[tuple[str, str], float]) -> None:
        """Placement waits until agents that were never tried have been: else the first to answer gets it all."""
        known = agents.every(conn)
        untried = [row for row in known if row.tried_at is None and not row.leaving]
        if untried and time.monotonic() - self._began < FIRST_CONTACT:
            return
        placing.schedule(conn, now, known, agents.holdings(conn), over)
        self.unplaced = False

    # -- news

    def take_others(self, kind: type) -> bool:
        """Whether an item of this kind was put into the inbox, by whoever uses it besides, since it was asked."""
        rest = [item for item in self._others if not isinstance(item, kind)]
        found = len(rest) < len(self._others)
        self._others = rest
        return found

    def _take(self, items: list[Any]) -> bool:
        self._others += [
            item for item in items if not isinstance(item, (Came, Nudge, Written, Packed, Settled))
        ]
        came = [item for item in items if isinstance(item, Came) and self.sessions.is_current(item)]
        if any(isinstance(item, Written) for item in items):
            self.look_again()
        if any(isinstance(item, Nudge) for item in items):
            self.nudged = True
            self.look_again()
            self.sessions.retry_now()
        self._store_packed([item for item in items if isinstance(item, Packed)])
        self._store_settled([item for item in items if isinstance(item, Settled)])
        if came:
            carriers = (self.fetching, self.stowing)
            news = hearing.take(
                self.state, self.sessions, self.archive, carriers, self.on_log, [each.item for each in came]
            )
            self.dirty = self.dirty or news.dirty
            self.unplaced = self.unplaced or news.unplaced
            self.world = None if news.rewound else self.world
        self.dirty = hearing.catch_up(self.sessions) or self.dirty or self._placement_is_due()
        self.dirty = hearing.give_up(self.state, self.sessions) or self.dirty
        self._listen()
        self._renew_leases()
        self._look_at_stowing()
        return bool(items)

    def _listen(self) -> None:
        """What a silent agent has must be placed elsewhere in time; whoever has not answered is looked at again."""
        carriers = (self.archive, self.fetching, self.stowing)
        if self._heartbeat.look(self.state, self.sessions, carriers):
            self.dirty = self.unplaced = True

    def _renew_leases(self) -> None:
        """Grant what was asked for; and look again when one may have ended."""
        clock = self._clock()
        granted = leasing.grant(self.state, self.sessions, clock)
        is_due = self._lease_due is not None and clock.up >= self._lease_due
        self.dirty = self.dirty or bool(granted and self._lease_due is not None) or is_due

    def _look_at_stowing(self) -> None:
        """Runs whose artifacts have arrived may start; those that cannot have theirs say why."""
        self.stowing.tick()
        troubles, self.stowing.troubles = self.stowing.troubles, []
        if troubles:
            with self.state.transaction() as conn:
                for trouble in troubles:
                    carrying.store_trouble(conn, time.time(), trouble)
        self.dirty = self.dirty or self.stowing.moved or bool(troubles)
        self.stowing.moved = False

    def _placement_is_due(self) -> bool:
        """Whether placement was put off, and the time for first contacts is over."""
        return self.unplaced and time.monotonic() - self._began >= FIRST_CONTACT

    def _store_packed(self, packed: list[Packed]) -> None:
        for each in packed:
            if each.error is not None:
                raise Storage(each.error, hint="free some space; the next pass fetches the logs again")
        if packed:
            with self.state.transaction() as conn:
                waiting = [found for each in packed if (found := carrying.store_packed(conn, each))]
            for wanted in waiting:
                self.fetching.begin(*wanted)
            self.dirty = True

    def _store_settled(self, settled: list[Settled]) -> None:
        """Artifacts that have come, or never will; with the last of a run, the run is archived."""
        for each in settled:
            if each.error is not None:
                raise Storage(each.error, hint="free some space; the next pass fetches the artifacts again")
        if settled:
            with self.state.transaction() as conn:
                for each in settled:
                    carrying.store_settled(conn, time.time(), each)
            done = [each.run for each in settled if self.fetching.next(each)]
            with self.state.transaction() as conn:
                for run in done:
                    carrying.finish(conn, run)
            self.dirty = True


def is_away(phase: str | None, tried_at: float | None, since: float) -> bool:
    """Whether an agent was tried since an instant, and could not be used."""
    return phase != phases.READY and tried_at is not None and tried_at >= since
