"""How old what is shown may be. Used by `get`, `describe` and `why`."""

from __future__ import annotations

import sys

from xene.commands.call import Call
from xene.store import db, views


def tell(call: Call, path: str) -> None:
    """Say on stderr as of when the agents were heard, where no controller is at work.

    Only for people: with tables, when stdout is a terminal or with -v.
    """
    if call.structured or call.form == "name" or not (call.verbose or sys.stdout.isatty()):
        return
    from xene.control import lock

    if lock.holder(call.state) is not None:
        return
    with db.open_for_reading(path) as state:
        seen = [row["lastSeenAt"] for row in views.agents(state) if row["lastSeenAt"]]
    if seen:
        call.say(f"as of {max(seen)}: no controller is at work; 'xene reconcile' looks again")
