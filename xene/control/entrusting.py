"""Charges as messages: in pieces that a frame holds easily, each with the zones that its charges name.

Called by `control.telling`, before the assignment that names the tags.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from typing import Any, Iterable

from xene.control.safe import Safe
from xene.plan.orders import Entrust
from xene.store import charges
from xene.wire import messages
from xene.wire.frames import Message

PIECE = 900_000  # bytes of JSON in one message, unless a single charge is larger


def pieces(conn: sqlite3.Connection, epoch: int, entrusts: Iterable[Entrust], safe: Safe) -> list[Message]:
    """What is to be sent of these charges."""
    wanted = list(entrusts)
    found = charges.read(conn, [each.key for each in wanted])
    zones: dict[str, str] = {}
    out: list[Message] = []
    part: dict[str, Any] = {}
    size = 0
    for each in wanted:
        item = [each.tag, found[each.key], dict(safe.entrusted.get(each.key, {}))]
        weight = len(json.dumps(item))
        if part and size + weight > PIECE:
            out.append(messages.entrust(epoch, part, _zones(conn, part, zones)))
            part, size = {}, 0
        part[each.key] = item
        size += weight
    return [*out, messages.entrust(epoch, part, _zones(conn, part, zones))]


def _zones(conn: sqlite3.Connection, part: dict[str, Any], known: dict[str, str]) -> dict[str, str]:
    """The bytes of all zones that these charges name, in base64."""
    names = {duty["zone"] for _, charge, _ in part.values() for duty in charge["duties"].values()}
    for name in names - known.keys():
        known[name] = base64.b64encode(charges.zone_data(conn, name)).decode()
    return {name: known[name] for name in sorted(names)}
