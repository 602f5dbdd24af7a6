"""Which records of a journal nobody needs any more. Pure; called by the ledger when the journal has grown.

What stays is what this agent needs to know all that it knows, what control has not stored yet, and, for a control
whose state was restored from a copy and that hears all from the beginning, what it must not take for unsent.
"""

from __future__ import annotations

from typing import Collection, Dict, Iterable, List, Optional

from xene.model.events import Event

REMEMBERED = (
    10_000  # released runs, and pipelines that are gone, of which the journal keeps that they were here
)
SETTLED = 2_000  # records of slots that did not fire, of those that control has stored
_TOLD_ONCE = ("slots.settled", "clock.stepped", "autostart")  # kept until control has stored them


class Compaction:
    """`events` are all records. `runs` are held; `heard` is the last one that control is known to have stored."""

    def __init__(self, events: Iterable[Event], runs: Collection[str], heard: int) -> None:
        self._runs, self._heard = runs, heard
        self._newest: Dict[str, int] = {}  # type -> n
        self._named: Dict[
            str, int
        ] = {}  # WORKFLOW/PIPELINE -> n of the last record that assigned it or took it
        self._last = 0
        self.forgot: Optional[List[float]] = None  # [n, at] of the newest record dropped that told of a slot
        counted: Dict[str, list[int]] = {"run.released": [], "slots.settled": []}
        gone: Dict[str, None] = {}
        for event in events:
            self._last = self._newest[event["type"]] = event["n"]
            if event["type"] in counted:
                counted[event["type"]].append(event["n"])
            elif event["type"] == "assigned":
                self._note(event, gone)
        for key in list(gone)[:-REMEMBERED]:
            self._named[key] = 0
        self._released = _from_end(counted["run.released"], REMEMBERED)
        self._settled = _from_end(counted["slots.settled"], SETTLED)

    def _note(self, event: Event, gone: Dict[str, None]) -> None:
        for key in (*event["set"], *event["gone"]):
            gone.pop(key, None)
            self._named[key] = event["n"]
        gone.update(dict.fromkeys(event["gone"]))

    def kept(self, event: Event) -> Optional[Event]:
        """What stays of a record; None: nothing. The very last one always stays: control knows it by its number."""
        kept = self._kept(event)
        if kept is None and (event["type"] == "slots.settled" or "fired" in event):
            self.forgot = [event["n"], event["at"]]
        return kept

    def _kept(self, event: Event) -> Optional[Event]:
        kind, number = event["type"], event["n"]
        if kind == "assigned":
            return self._assigned(event)
        if number == self._last:
            return event
        if kind in _TOLD_ONCE and number > self._heard:
            return event
        if kind == "run.released":
            return event if number >= self._released else None
        if kind == "slots.settled":
            return event if number >= self._settled else None
        if kind == "book":  # the first record has all of them
            return None
        if "run" in event:
            return event if event["run"] in self._runs else None
        return event if self._newest[kind] == number else None

    def _assigned(self, event: Event) -> Optional[Event]:
        """What no later record has assigned anew, or taken. The capacity that holds is in the newest."""
        number = event["n"]
        current = {key: tag for key, tag in event["set"].items() if self._named[key] == number}
        gone = [key for key in event["gone"] if self._named[key] == number]
        if not current and not gone and number != self._newest["assigned"] and number != self._last:
            return None
        charges = {key: charge for key, charge in event.get("charges", {}).items() if key in current}
        zones = {duty["zone"] for charge in charges.values() for duty in charge["duties"].values()}
        trimmed = {**event, "set": current, "gone": gone}
        trimmed.pop("charges", None), trimmed.pop("zones", None)
        if charges:
            known = event.get("zones", {})
            trimmed["charges"] = charges
            trimmed["zones"] = {name: known[name] for name in sorted(zones) if name in known}
        return trimmed


def _from_end(numbers: list[int], count: int) -> int:
    """The number of the `count`-th record from the end; 0 where there are not so many."""
    return numbers[-count] if len(numbers) > count else 0
