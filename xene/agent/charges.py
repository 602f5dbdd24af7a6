"""What this agent is entrusted with, as its journal has it: charges, zones, how far each trigger is accounted for.

Folded by the ledger, read by `duties` and `triggers`. An agent may hold thousands of charges and look at each once
a day, so they are kept packed; nothing here reads what is in one.
"""

from __future__ import annotations

import json
import zlib
from typing import Any, Dict, List, Mapping, Optional, cast

from xene.model.agent import NO_AUTOSTART
from xene.model.events import Event

Books = Dict[str, Dict[str, Dict[str, Any]]]  # WORKFLOW/PIPELINE -> trigger -> {watermark, holes, again}

_ENCODE = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def pack(charge: Mapping[str, Any]) -> bytes:
    """A charge's JSON in few bytes, for `unpack`."""
    return zlib.compress(_ENCODE(charge).encode("utf-8", "surrogateescape"), 1)


def unpack(packed: bytes) -> Dict[str, Any]:
    """The inverse of `pack`."""
    return cast(Dict[str, Any], json.loads(zlib.decompress(packed).decode("utf-8", "surrogateescape")))


class Charges:
    """`packed` are the charges in force, `books` also those of pipelines that are gone: they may come back."""

    def __init__(self) -> None:
        self.packed: Dict[str, bytes] = {}
        self.zones: Dict[str, str] = {}  # base64 by name
        self.books: Books = {}
        self.autostart = NO_AUTOSTART  # how control wants the daemon to come back after a reboot
        self.comes_back = NO_AUTOSTART  # how it will
        self._through = 0  # books as of this record were in the journal's first one

    def summary(self) -> Dict[str, Any]:
        """What a compaction puts into the journal's first record; nothing where there is nothing to say."""
        found = {"books": self.books, "autostart": self.autostart}
        return found if self.books or self.autostart != NO_AUTOSTART else {}

    def __contains__(self, key: str) -> bool:
        return key in self.packed

    def get(self, key: str) -> Optional[Dict[str, Any]]:
        """The charge of a pipeline."""
        found = self.packed.get(key)
        return None if found is None else unpack(found)

    def begun(self, event: Event) -> None:
        """The journal's first record: what a compaction has put there of records that are no more."""
        self.books = event.get("books", {})
        self.autostart = event.get("autostart", NO_AUTOSTART)
        self._through = event.get("through", 0)

    def assigned(self, event: Event, held: Mapping[str, str]) -> None:
        """An `assigned` event; `held` are the assignments before it. A tag without a charge has none any more."""
        charges = event.get("charges", {})
        for key, tag in event["set"].items():
            if key in charges:
                self.packed[key] = pack(charges[key])
            elif held.get(key) != tag:
                self.packed.pop(key, None)
        for key in event["gone"]:
            self.packed.pop(key, None)
        self.zones.update(event.get("zones", {}))
        if event["n"] > self._through:
            self.autostart = event.get("autostart", self.autostart)

    def fired(self, event: Event) -> None:
        """A `run.accepted` of a slot."""
        fired = event["fired"]
        key = f"{fired['workflow']}/{fired['pipeline']}"
        self._account(event, key, fired["trigger"], [fired["slot"]])

    def settled(self, event: Event) -> None:
        """A `slots.settled`, or the `book` that ends a group of several records."""
        self._account(event, event["pipeline"], event["trigger"], event.get("slots", []))

    def stepped(self, event: Event) -> None:
        """A `clock.stepped`: books that the clock was set back behind."""
        if event["n"] > self._through:
            for key, books in event.get("books", {}).items():
                self.books.setdefault(key, {}).update(books)

    def _account(self, event: Event, key: str, trigger: str, slots: List[int]) -> None:
        """Books follow the records in order. One of a group that was torn has no book: its instants are past."""
        if event["n"] <= self._through:
            return
        books = self.books.setdefault(key, {})
        if event.get("book") is not None:
            books[trigger] = event["book"]
        elif slots:
            before = books.get(trigger, {"watermark": 0.0, "holes": [], "again": []})
            books[trigger] = {**before, "watermark": float(max(before["watermark"], *slots))}
