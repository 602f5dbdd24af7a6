"""Cron triggers: what is due now becomes records, and when it is to be looked again.

Held by `duties`. `engine.slots` says what becomes of an instant, the runs of a pipeline whether another one may
start. A fire is one record, run and slot in one, with a run id that follows from the slot: no crash can separate
them, nor fire it twice. Where several records follow from one look at a trigger a `book` ends them; if that is
torn off, the next daemon decides again, and what was decided before stands.
"""

from __future__ import annotations

import heapq
import time
from binascii import a2b_base64
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from xene.agent.accepting import Accepting
from xene.agent.complaints import complain
from xene.agent.ledger import Ledger
from xene.engine.clock import Clock
from xene.engine.slots import (
    Book,
    Schedule,
    Verdict,
    Zone,
    due,
    jitter_of,
    load_zone,
    next_due,
    raised,
    stepped_back,
)
from xene.model import events, phases
from xene.model.events import Event
from xene.model.ids import slot_run_id
from xene.model.records import replace
from xene.model.run import RunOrder
from xene.model.trigger import ALL, FIRED, MISSED, PUNCTUAL, SLOT_SKIPPED, Cron, cron_from_json
from xene.model.units import rfc3339
from xene.model.workflow import FORBID, QUEUE

SLOTS = 500  # instants in one record
EPSILON = 0.01  # seconds: how soon a trigger is looked at again of which nothing was due
SPELL = 0.2  # seconds of one look: the daemon has others to serve, and what was recorded is to become durable

_SKIPS = {
    phases.CONCURRENCY_FORBID: "a run of the pipeline had not ended, and its concurrencyPolicy is Forbid",
    phases.ALREADY_WAITING: "a run of this trigger waited already",
}


class Trigger:
    """One cron trigger of a charge. `wake` is when it is looked at again, on the wall clock; None: not before
    something happens."""

    __slots__ = ("cron", "key", "name", "offset", "since", "suspended", "wake", "zone")

    def __init__(self, key: str, name: str, cron: Cron, zone: str, since: float, suspended: bool) -> None:
        self.key, self.name, self.cron, self.zone, self.since = key, name, cron, zone, since
        self.suspended = suspended
        self.offset = jitter_of(cron, key, name) if cron.jitter else 0.0
        self.wake: Optional[float] = None


class Fate(NamedTuple):
    """What becomes of slots, as one record can say it."""

    outcome: str
    reason: str
    message: str


class Triggers:
    """`may` says whether a pipeline has the lease that it wants; `secrets` gives what its runs get."""

    def __init__(
        self,
        ledger: Ledger,
        accepting: Accepting,
        record: Callable[[Event], None],
        state: str,
        may: Callable[[str], bool],
        secrets: Callable[[str], Optional[Mapping[str, str]]],
    ) -> None:
        self._ledger, self._accepting, self._record = ledger, accepting, record
        self._state, self._may, self._secrets = state, may, secrets
        self._by_key: Dict[str, List[Trigger]] = {}
        self._heap: List[Tuple[float, int, Trigger]] = []
        self._count = 0
        self._zones: Dict[str, Zone] = {}
        self._crons: Dict[Tuple[Any, ...], Cron] = {}  # equal ones are kept once

    def __bool__(self) -> bool:
        """Whether there is any cron trigger."""
        return bool(self._by_key)

    # -- which there are

    def put(self, key: str, charge: Mapping[str, Any]) -> None:
        """The charge of a pipeline is in force from now on. Raises KeyError, TypeError, ValueError."""
        self.drop(key)
        found = [self._trigger(key, name, duty, charge) for name, duty in charge["duties"].items()]
        if found:
            self._by_key[key] = found
        for trigger in found:
            self._set_alarm(trigger)

    def _trigger(self, key: str, name: str, duty: Mapping[str, Any], charge: Mapping[str, Any]) -> Trigger:
        cron = cron_of(duty)
        words = (cron.schedules, cron.time_zone, cron.catch_up, cron.starting_deadline)
        cron = self._crons.setdefault((*words, cron.jitter, cron.gap, cron.fold), cron)
        self.zone(duty["zone"])
        return Trigger(
            key,
            name,
            cron,
            duty["zone"],
            float(duty["since"]),
            bool(charge["suspended"]),
        )

    def drop(self, key: str) -> None:
        """The pipeline has no charge any more."""
        for trigger in self._by_key.pop(key, ()):
            trigger.wake = None

    def zone(self, name: str) -> Zone:
        """A zone by the name that charges give it. Raises KeyError and ValueError."""
        found = self._zones.get(name)
        if found is None:
            found = self._zones[name] = load_zone(a2b_base64(self._ledger.charges.zones[name]))
        return found

    # -- when

    def next_at(self) -> Optional[float]:
        """When `tick` has something to do, on the wall clock."""
        while self._heap and self._heap[0][2].wake != self._heap[0][0]:
            heapq.heappop(self._heap)  # it was set anew, or is no more
        return self._heap[0][0] if self._heap else None

    def _set_alarm(self, trigger: Trigger) -> None:
        schedule = Schedule(trigger.cron, self.zone(trigger.zone))
        self._wake(trigger, next_due(schedule, self._book(trigger), offset=trigger.offset))

    def _wake(self, trigger: Trigger, at: Optional[float]) -> None:
        trigger.wake = at
        if at is not None:
            self._count += 1
            heapq.heappush(self._heap, (at, self._count, trigger))

    def resume(self, key: str) -> None:
        """The lease of the pipeline holds again: what is due was put off."""
        for trigger in self._by_key.get(key, ()):
            self._set_alarm(trigger)

    def set_back(
        self, at: float, keys: Optional[Iterable[str]] = None
    ) -> Dict[str, Dict[str, Mapping[str, Any]]]:
        """The wall clock shows an earlier instant: the books that change by that, to be recorded; then `rearm`.

        `keys`: only those of these pipelines.
        """
        changed: Dict[str, Dict[str, Mapping[str, Any]]] = {}
        for trigger in self._all(keys):
            before = self._book(trigger)
            after = stepped_back(before, at)
            if after != before:
                changed.setdefault(trigger.key, {})[trigger.name] = after.to_json()
        return changed

    def rearm(self) -> None:
        """All wake-ups anew: the wall clock was set back."""
        self._heap.clear()
        for trigger in self._all():
            self._set_alarm(trigger)

    def _all(self, keys: Optional[Iterable[str]] = None) -> Iterator[Trigger]:
        chosen = self._by_key if keys is None else keys
        return (trigger for key in chosen for trigger in self._by_key.get(key, ()))

    def _book(self, trigger: Trigger) -> Book:
        found = self._ledger.charges.books.get(trigger.key, {}).get(trigger.name)
        if found is None:
            return Book(trigger.since)
        return raised(Book.from_json(found), trigger.since)

    # -- what is due

    def tick(self, now: Clock) -> None:
        """Record what follows from what is due. It may leave some for the next turn, and `next_at` says so."""
        until = time.monotonic() + SPELL
        while True:
            at = self.next_at()
            if at is None or at > now.at:
                return
            _, _, trigger = heapq.heappop(self._heap)
            trigger.wake = None
            if self._may(trigger.key):
                self._judge(trigger, now)
            if time.monotonic() > until:
                return

    def _judge(self, trigger: Trigger, now: Clock) -> None:
        schedule = Schedule(trigger.cron, self.zone(trigger.zone))
        verdicts, book = due(
            schedule,
            trigger.cron,
            self._book(trigger),
            now.at,
            offset=trigger.offset,
            suspended=trigger.suspended,
        )
        if verdicts:
            self._carry_out(trigger, verdicts, book, now)
        at = next_due(schedule, book, offset=trigger.offset)
        self._wake(trigger, at if at is None or verdicts else max(at, now.at + EPSILON))

    def _carry_out(self, trigger: Trigger, verdicts: List[Verdict], book: Book, now: Clock) -> None:
        """One record where there is one verdict; else several, with the book behind them."""
        written = book.to_json()
        alone = written if len(verdicts) == 1 else None
        late = bool(verdicts) and now.at - (verdicts[0].at + trigger.offset) > PUNCTUAL
        in_line = late and trigger.cron.catch_up == ALL  # what is caught up waits in line, all of it
        fate: Optional[Fate] = None
        slots: List[int] = []
        for verdict in verdicts:
            new = self._fate(trigger, verdict, in_line)
            if slots and (new != fate or len(slots) == SLOTS):
                self._settle(trigger, fate, slots, alone, now)
                slots = []
            fate = new
            if new is None:
                self._fire(trigger, verdict.at, alone, now)
            else:
                slots.append(verdict.at)
        if slots:
            self._settle(trigger, fate, slots, alone, now)
        if alone is None:
            self._record(events.book_kept(now.at, trigger.key, trigger.name, written))

    def _fate(self, trigger: Trigger, verdict: Verdict, in_line: bool) -> Optional[Fate]:
        """None where it fires."""
        if verdict.outcome != FIRED:
            return Fate(verdict.outcome, verdict.reason or "", verdict.message)
        reason = self._in_the_way(trigger, verdict.at, in_line)
        return Fate(SLOT_SKIPPED, reason, _SKIPS[reason]) if reason else None

    def _in_the_way(self, trigger: Trigger, at: int, in_line: bool) -> Optional[str]:
        """Why another run keeps a slot from firing."""
        others = self._ledger.open.get(trigger.key)
        if not others or self._run_id(trigger, at) in self._ledger.runs:
            return None
        charge = self._ledger.charges.get(trigger.key) or {}
        policy = charge["spec"]["pipeline"].get("concurrencyPolicy", QUEUE)
        if policy == FORBID:
            return phases.CONCURRENCY_FORBID
        if policy != QUEUE or in_line:
            return None
        runs = [self._ledger.runs[name] for name in others]
        waits = any(run.started_at is None and run.order.trigger == trigger.name for run in runs)
        return phases.ALREADY_WAITING if waits else None

    def _run_id(self, trigger: Trigger, at: int) -> str:
        workflow, _, pipeline = trigger.key.partition("/")
        return slot_run_id(self._state, workflow, pipeline, trigger.name, at)

    def _fire(self, trigger: Trigger, at: int, book: Optional[Mapping[str, Any]], now: Clock) -> None:
        run = self._run_id(trigger, at)
        if run in self._ledger.runs:  # the record of it was durable, and the book behind it was torn off
            if book is not None:
                self._record(events.book_kept(now.at, trigger.key, trigger.name, book))
            return
        try:
            charge = self._ledger.charges.get(trigger.key) or {}
            accepted = fire(charge, trigger.name, at, run, now.at, book)
            self._accepting.accept(accepted, self._secrets(trigger.key))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            complain(f"trigger {trigger.name} of {trigger.key} cannot fire: {error!r}")
            message = f"its run cannot be made from what the agent was entrusted with: {error!r}"
            self._settle(trigger, Fate(MISSED, phases.START_FAILED, message), [at], book, now)

    def _settle(
        self,
        trigger: Trigger,
        fate: Optional[Fate],
        slots: List[int],
        book: Optional[Mapping[str, Any]],
        now: Clock,
    ) -> None:
        assert fate is not None  # slots that fire are not settled
        self._record(events.slots_settled(now.at, trigger.key, trigger.name, *fate, list(slots), book))

    # -- a charge changes

    def close(self, key: str, charge: Optional[Mapping[str, Any]], now: Clock) -> None:
        """Account for what is pending under the charge that is in force, before `charge` takes its place.

        Up to the new `since`, or to now where the trigger goes. None of it fires any more. Where the pipeline goes,
        and has not the lease that it wants, others account for it: they may have had it all the while.
        """
        if charge is None and not self._may(key):
            return
        duties = {} if charge is None else charge["duties"]
        for trigger in self._by_key.get(key, ()):
            duty = duties.get(trigger.name)
            self._close(trigger, now.at if duty is None else min(float(duty["since"]), now.at), now)

    def _close(self, trigger: Trigger, until: float, now: Clock) -> None:
        fate = None if trigger.suspended else Fate(MISSED, phases.TRIGGER_CHANGED, _CHANGED)
        schedule, cron = Schedule(trigger.cron, self.zone(trigger.zone)), trigger.cron
        while True:
            book = self._book(trigger)
            verdicts, book = due(schedule, cron, book, until, offset=0.0, suspended=True)
            if not verdicts:
                return
            if fate is not None:
                verdicts = [Verdict(each.at, *fate) for each in verdicts]
            self._carry_out(trigger, verdicts, book, now)


_CHANGED = "it had not fired when the trigger was changed or taken away"


def cron_of(duty: Mapping[str, Any]) -> Cron:
    """The cron of a duty's JSON without its params, which are the run's. Raises KeyError, TypeError, ValueError."""
    return replace(cron_from_json(duty["cron"]), params=_NO_PARAMS)


_NO_PARAMS: Mapping[str, Any] = {}


def fire(
    charge: Mapping[str, Any], trigger: str, at: int, run: str, now: float, book: Optional[Mapping[str, Any]]
) -> Event:
    """The `run.accepted` of a slot. Raises KeyError and TypeError for a charge that is none."""
    params = charge["duties"][trigger]["params"]
    order = RunOrder(
        id=run,
        workflow=charge["workflow"],
        pipeline=charge["pipeline"],
        revision=charge["revision"],
        spec=charge["spec"],
        params=params,
        trigger=trigger,
        created_at=now,
        agent=charge["agent"],
        agent_env=charge["agentEnv"],
        agent_labels=charge["agentLabels"],
        scheduled_at=rfc3339(at),
    )
    fired = {
        "workflow": order.workflow,
        "pipeline": order.pipeline,
        "trigger": trigger,
        "slot": at,
        "revision": order.revision,
        "params": dict(params),
    }
    return events.run_accepted(now, run, order.to_json(), fired, book)
