"""Names in the expressions of webhook triggers, which may name `event` alone; and `event` where it is out of reach.

Called by `names`. Pure. What an event holds is not known before it comes: behind `event.body` anything may stand.
"""

from __future__ import annotations

from xene.engine.mismatch import ANY, OBJECT, shown
from xene.engine.tree import Name
from xene.manifest.expression_types import Fault
from xene.manifest.keys import UNKNOWN, behind, not_written_out
from xene.manifest.problems import closest, quoted
from xene.model.trigger import WITHHELD

BODY, HEADERS = "body", "headers"
_KNOWN = "a webhook trigger may name event.body and event.headers"


def of_webhook(name: Name) -> str | Fault:
    """The type of `event.body...` or `event.headers.NAME`; the fault of any other name."""
    if name.root != "event":
        return _other(name)
    if not name.keys:
        return OBJECT
    key = name.keys[0]
    if not isinstance(key, str):
        return not_written_out(name, key, "event.body")
    if key == BODY:
        return behind(ANY, name, 1)
    return _header(name) if key == HEADERS else _no_key(name, key)


def _header(name: Name) -> str | Fault:
    """A header is text, or null where it did not come."""
    if len(name.keys) == 1:
        return OBJECT
    key = name.keys[1]
    if isinstance(key, str) and key.lower() in WITHHELD:
        message = f"the header {quoted(key)} is not in reach: it may hold the secret"
        return Fault(name.offset, message, "the delivery has been verified by then", UNKNOWN)
    return behind(ANY, name, 2)


def _no_key(name: Name, key: str) -> Fault:
    near = closest(key, (BODY, HEADERS))
    meant = (
        f"event.{near}{shown(name)[len('event.') + len(key) :]}" if near else f"event.body.{shown(name)[6:]}"
    )
    return Fault(
        name.offset, f"there is no {quoted(f'event.{key}')}", f"did you mean {quoted(meant)}?", UNKNOWN
    )


def _other(name: Name) -> Fault:
    written = shown(name)
    message = f"{quoted(written)} is not in reach of a webhook trigger, which comes before any run"
    near = closest(name.root, ("event", BODY, HEADERS))
    if near == "event":
        hint = f"did you mean {quoted('event' + written[len(name.root) :])}?"
    elif near is not None and name.keys:
        hint = f"did you mean {quoted(f'event.{near}' + written[len(name.root) :])}?"
    elif not name.keys:
        hint = f"a text wants quotes: '{name.root}'; {_KNOWN}"
    else:
        hint = _KNOWN
    return Fault(name.offset, message, hint, UNKNOWN)


def elsewhere(name: Name) -> Fault:
    """The fault of `event` in a pipeline: a run may have been started by anything."""
    message = "'event' is in reach of webhook triggers only"
    last = next((key for key in reversed(name.keys) if isinstance(key, str)), "")
    param = last if last and last not in (BODY, HEADERS) else "NAME"
    given = shown(name) if name.keys else "event.body.NAME"
    hint = (
        f'hand it over as a param: write in the trigger\'s webhook params: {{{param}: "${{{{ {given} }}}}"}},'
        f" declare the param in the pipeline, and use params.{param}"
    )
    return Fault(name.offset, message, hint, UNKNOWN)
