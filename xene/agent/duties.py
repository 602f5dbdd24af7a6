"""What this agent does of its own accord: it fires triggers and keeps to leases, with control away for days.

Made by the daemon when there is the first charge: an agent without any has none of this in memory. Here what is
entrusted becomes charges in force, and the clocks are looked at; what is due is for `triggers`, `leases` and
`autostart` to say.
"""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from xene.agent.accepting import Accepting
from xene.agent.alarms import BOOT, LOOK, WALL, Alarm
from xene.agent.assigning import KEYS, charge_of
from xene.agent.autostart import Autostart
from xene.agent.charges import unpack
from xene.agent.complaints import complain
from xene.agent.entrusted import Entrusted
from xene.agent.home import Home
from xene.agent.leases import Leases
from xene.agent.ledger import Ledger
from xene.agent.triggers import Triggers
from xene.agent.work import Work
from xene.engine.clock import Clock
from xene.engine.lease import parted
from xene.model import events
from xene.model.agent import NO_AUTOSTART
from xene.model.events import Event


class Duties:
    """`ask` sends a message to control, if it is in touch; `watch` has the loop look at a descriptor."""

    def __init__(
        self,
        home: Home,
        ledger: Ledger,
        work: Work,
        accepting: Accepting,
        record: Callable[[Event], None],
        watch: Callable[[int, Callable[[], None]], None],
        ask: Callable[[Mapping[str, Any]], bool],
        autostart: Autostart,
    ) -> None:
        self._ledger, self._work, self._record = ledger, work, record
        self._autostart = autostart
        state = os.path.basename(os.path.dirname(home.path))
        self._leases = Leases(ledger, work, record, home.lease, ask, self._resume)
        self.triggers = Triggers(ledger, accepting, record, state, self._leases.may, work.secrecy.vault.get)
        self._entrusted = Entrusted(ledger, self.triggers)
        self._wall = Alarm(WALL, watch, self._ring)
        self._boot = Alarm(BOOT, watch, self._ring)
        self._looked = work.clock()

    def begin(self) -> None:
        """Take up what the journal has, when a daemon comes up."""
        now = self._work.clock()
        for key in list(self._ledger.charges.packed):
            self._put_or_complain(key, now)
        self._set_back_unseen(now)
        self._come_back()

    def _put_or_complain(self, key: str, now: Clock) -> None:
        """One charge that this code cannot read must not keep the others from being done."""
        try:
            self._put(key, now)
        except (KeyError, TypeError, ValueError) as error:
            complain(f"the charge of {key} cannot be read, and is not done: {error!r}")

    def _put(self, key: str, now: Clock) -> None:
        charge = self._ledger.charges.get(key)
        if charge is None:
            self.triggers.drop(key)
            return self._leases.drop(key)
        self._leases.put(key, charge.get("lease"), now)
        return self.triggers.put(key, charge)

    def _resume(self, key: str) -> None:
        self.triggers.resume(key)

    # -- what control says

    def entrust(self, charges: Mapping[str, Any], zones: Mapping[str, Any]) -> List[str]:
        """Keep charges for the assignment that names them; what is wrong with those that are not kept.

        The secrets of one that is in force already are taken at once: this daemon may have lost them.
        """
        complaints: List[str] = []
        for key, (tag, charge, secrets) in charges.items():
            values = {str(name): str(value) for name, value in secrets.items()}
            wrong = self._entrusted.put(key, str(tag), charge, zones, values)
            if wrong is not None:
                complaints.append(wrong)
            elif self._ledger.assignments.get(key) == tag:
                self._unlock(key, values)
                self._entrusted.clear([key])
        return complaints

    def assign(self, new: Mapping[str, str], gone: List[str], capacity: int, how: str) -> List[str]:
        """The whole set that belongs to this agent has changed by `new` and `gone`; what is not confirmed, and why.

        What is due under the charges before is done first, and what can no longer be is accounted for.
        """
        now = self._work.clock()
        self._catch_up(now)
        fit: Dict[str, str] = {}
        complaints: List[str] = []
        for key, tag in new.items():
            wrong = self._entrusted.lacks(key, tag)
            if wrong is None:
                fit[key] = tag
            else:
                complaints.append(wrong)
        changed = [key for key, tag in fit.items() if self._ledger.assignments.get(key) != tag]
        for key in (*changed, *gone):
            packed = self._entrusted.charge(key, fit.get(key, ""))
            self.triggers.close(key, None if packed is None else unpack(packed), now)
        self._record_all(fit, gone, capacity, how, now)
        self._take_up(changed, gone, now)
        self._come_back()
        return complaints

    def _catch_up(self, now: Clock) -> None:
        self._look(now)
        while (at := self.triggers.next_at()) is not None and at <= now.at:
            self.triggers.tick(now)

    def _record_all(
        self, new: Mapping[str, str], gone: List[str], capacity: int, how: str, now: Clock
    ) -> None:
        """In pieces, each with all that it needs to be read alone."""
        known = self._ledger.charges
        if not new and not gone and (capacity, how) == (self._ledger.capacity, known.autostart):
            return
        keys = list(new)
        for start in range(0, max(len(keys), len(gone), 1), KEYS):
            piece = {key: new[key] for key in keys[start : start + KEYS]}
            charges, zones = self._of(piece)
            lost = gone[start : start + KEYS]
            self._record(events.assigned(now.at, piece, lost, capacity, charges, zones, how))

    def _of(self, piece: Mapping[str, str]) -> Tuple[Dict[str, Any], Dict[str, str]]:
        """The charges of these tags, and the zones that they name."""
        charges: Dict[str, Any] = {}
        for key, tag in piece.items():
            packed = self._entrusted.charge(key, tag)
            if packed is None and charge_of(tag):  # it is confirmed once more, and is in force
                packed = self._ledger.charges.packed[key]
            if packed is not None:
                charges[key] = unpack(packed)
        names = {duty["zone"] for charge in charges.values() for duty in charge["duties"].values()}
        return charges, {name: self._entrusted.zones(name) for name in sorted(names)}

    def _take_up(self, changed: List[str], gone: List[str], now: Clock) -> None:
        for key in gone:
            self.triggers.drop(key)
            self._leases.drop(key)
            self._work.secrecy.vault.forget(key)
        for key in changed:
            self._put_or_complain(key, now)
            self._unlock(key, self._entrusted.secrets(key))
        self._entrusted.clear([*changed, *gone])

    def _unlock(self, key: str, values: Optional[Mapping[str, str]]) -> None:
        """The secrets of a charge are here: for its runs to come, and for those that wait for them."""
        if not values:
            return
        self._work.secrecy.keep(key, values)
        for name in list(self._ledger.open.get(key, ())):
            run = self._ledger.runs[name]
            if self._work.secrecy.lacks(run) and set(run.pipeline.secrets) <= set(values):
                self._work.unlock(run, values)

    def granted(self, boot: str, up: float) -> None:
        """Control's answer to a question for a lease."""
        self._leases.granted(boot, up, self._work.clock())

    def greeted(self) -> None:
        """Control is in touch."""
        self._leases.greeted(self._work.clock())

    # -- the daemon's turn

    def tick(self) -> None:
        """Look at the clocks, and do what is due."""
        now = self._work.clock()
        self._look(now)
        self._leases.tick(now)
        self.triggers.tick(now)

    def pause(self) -> Optional[float]:
        """Seconds until `tick` has something to do, where no alarm rings for it; None: not before something does."""
        now = self._work.clock()
        at, up = self.triggers.next_at(), self._leases.next_at()
        waits: List[float] = []
        if at is not None and (at <= now.at or not self._wall.works):
            waits.append(min(at - now.at, LOOK))
        if up is not None and (up <= now.up or not self._boot.works):
            waits.append(min(up - now.up, LOOK))
        self._wall.set(at)
        self._boot.set(up)
        return min(waits, default=None)

    def _ring(self) -> None:
        """The loop has woken up, and `tick` follows."""

    def _look(self, now: Clock) -> None:
        """See whether the wall clock was set since the last look."""
        by = parted(self._looked, now)
        self._looked = now
        if by:
            self._stepped(by, now)

    def _stepped(self, by: float, now: Clock) -> None:
        self._record(events.clock_stepped(now, by, self.triggers.set_back(now.at)))
        self.triggers.rearm()
        self._leases.hurry(now)

    def _set_back_unseen(self, now: Clock) -> None:
        """The clock was set back while no daemon lived, or the host came up with another time."""
        books = self.triggers.set_back(now.at)
        if books:
            self._record(events.clock_stepped(now, min(now.at - self._ledger.left_at, 0.0), books))
            self.triggers.rearm()

    def _come_back(self) -> None:
        self._autostart.want(self._ledger.charges.autostart if self.triggers else NO_AUTOSTART)
