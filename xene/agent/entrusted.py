"""Charges on their way: what control has sent ahead of the assignment that names it. In memory, and checked.

Held by `duties`. Nothing of it is in force, nor in the journal, before that assignment.
"""

from __future__ import annotations

from binascii import a2b_base64
from typing import Any, Dict, List, Mapping, NamedTuple, Optional

from xene.agent.accepting import readable
from xene.agent.assigning import charge_of
from xene.agent.charges import pack
from xene.agent.ledger import Ledger
from xene.agent.triggers import Triggers, cron_of, fire
from xene.engine.schedule import Schedule
from xene.engine.zones import Zone, load_zone
from xene.model.charge import Charge
from xene.model.ids import is_name, pipeline_key


class Waiting(NamedTuple):
    """One charge, packed; `secrets` are its values by environment variable."""

    tag: str
    charge: bytes
    secrets: Mapping[str, str]


class Entrusted:
    """`ledger` knows what is in force already."""

    def __init__(self, ledger: Ledger, triggers: Triggers) -> None:
        self._ledger, self._triggers = ledger, triggers
        self._waiting: Dict[str, Waiting] = {}
        self._bad: Dict[str, str] = {}  # tag of the charge that is not kept, by pipeline
        self._zones: Dict[str, str] = {}
        self._read: Dict[str, Zone] = {}

    def __repr__(self) -> str:
        return f"<{len(self._waiting)} charges>"  # never the values, wherever it may be printed

    def put(
        self, key: str, tag: str, charge: Any, zones: Mapping[str, Any], secrets: Mapping[str, str]
    ) -> Optional[str]:
        """Keep one; or say why it is not kept."""
        try:
            self._check(key, charge, zones)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            why = error.args[0] if isinstance(error, ValueError) and error.args else repr(error)
            self._bad[key] = tag
            return f"pipeline {key} cannot be entrusted to this agent: {why}"
        self._bad.pop(key, None)
        self._waiting[key] = Waiting(tag, pack(charge), secrets)
        return None

    def _check(self, key: str, charge: Any, zones: Mapping[str, Any]) -> None:
        """Raises for what could not be fired, or not be read back."""
        read = Charge.from_json(charge)
        if pipeline_key(read.workflow, read.pipeline) != key or not is_name(read.pipeline):
            raise ValueError(f"the charge is that of {read.workflow}/{read.pipeline}")
        if read.lease is not None and not float(read.lease) > 0:
            raise ValueError(f"a lease of {read.lease} seconds is none")
        for name, duty in read.duties.items():
            if not is_name(name):
                raise ValueError(f"{name!r} is no name of a trigger")
            if duty.zone not in self._zones and duty.zone not in self._ledger.charges.zones:
                self._keep_zone(duty.zone, zones)
            if duty.zone not in self._read:
                self._read[duty.zone] = load_zone(a2b_base64(self.zones(duty.zone)))
            Schedule(cron_of(charge["duties"][name]), self._read[duty.zone])
        first = next(iter(read.duties), None)
        trial = charge if first else {**charge, "duties": {"manual": {"params": {}}}}
        readable(fire(trial, first or "manual", 0, "", 0.0, None))

    def _keep_zone(self, name: str, zones: Mapping[str, Any]) -> None:
        if name not in zones:
            raise ValueError(f"its time zone {name} has not come")
        self._read[name] = load_zone(a2b_base64(zones[name]))
        self._zones[name] = str(zones[name])

    def zones(self, name: str) -> str:
        """A zone's bytes, in base64. Raises KeyError."""
        found = self._zones.get(name)
        return self._ledger.charges.zones[name] if found is None else found

    def lacks(self, key: str, tag: str) -> Optional[str]:
        """Why the assignment of `tag` cannot be confirmed; None where it can be."""
        waiting = self._waiting.get(key)
        if not charge_of(tag) or (waiting is not None and waiting.tag == tag):
            return None
        if self._ledger.assignments.get(key) == tag and key in self._ledger.charges:
            return None
        if self._bad.get(key) == tag:
            return f"pipeline {key} keeps its old revision: the charge {tag} is bad"
        return f"pipeline {key} cannot be confirmed: its charge {tag} has not come"

    def charge(self, key: str, tag: str) -> Optional[bytes]:
        """The charge of `tag`; None where it is none of those that wait."""
        waiting = self._waiting.get(key)
        return waiting.charge if waiting is not None and charge_of(tag) and waiting.tag == tag else None

    def secrets(self, key: str) -> Optional[Mapping[str, str]]:
        """The values that came with the charge of a pipeline."""
        waiting = self._waiting.get(key)
        return None if waiting is None else waiting.secrets

    def clear(self, keys: List[str]) -> None:
        """These are in force now, or gone."""
        for key in keys:
            self._waiting.pop(key, None)
            self._bad.pop(key, None)
        if not self._waiting:
            self._zones.clear()
            self._read.clear()
