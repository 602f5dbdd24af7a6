"""What a query asks for, checked: unknown, repeated and malformed params are refused, never passed over."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, Callable, Mapping

from aiohttp import web

from xene.model import phases
from xene.model.trigger import SLOT_OUTCOMES
from xene.model.units import parse_duration
from xene.plan import selectors
from xene.server.refusals import Refused
from xene.server.routes import Param

LIMIT, MOST = 50, 1000  # rows of a list, by default and at the most
AGENT_PHASES = (phases.READY, phases.NOT_READY, phases.UNTRUSTED, phases.UNREACHABLE)

_WHEN = "A duration ago (10m, 2h) or an RFC 3339 time with an offset; a + in it is written %2B."


_AGO = r"^([0-9]{1,6}d)?([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?([0-9]{1,6}ms)?$"
_AGO_OR_TIME: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "pattern": _AGO, "minLength": 1},
        {"type": "string", "format": "date-time"},
    ],
}
_KEY = "[A-Za-z0-9]([-A-Za-z0-9_./]{0,60}[A-Za-z0-9])?"
_LABEL = "([A-Za-z0-9]([-A-Za-z0-9_.]{0,60}[A-Za-z0-9])?)?"
_TERM = rf"(!?{_KEY}|{_KEY}(=|==|!=){_LABEL}|{_KEY} (in|notin) \({_LABEL}(,{_LABEL})*\))"


def _words(*known: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(known)}


def _count(low: int, high: int, **more: Any) -> dict[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": high, **more}


FLAG: dict[str, Any] = {"type": "boolean", "default": False}
LIMITED = Param("limit", "At most so many.", _count(1, MOST, default=LIMIT))
SINCE = Param("since", f"Those since then. {_WHEN}", _AGO_OR_TIME)
SELECTOR = Param(
    "selector",
    "By labels, as `xene get -l`: a=b,c!=d,e in (x,y),f,!g; of the workflow, for runs.",
    {"type": "string", "pattern": f"^({_TERM}(,{_TERM})*)?$"},
)
WORKFLOW = Param("workflow", "Those of this workflow.")
PIPELINE = Param("pipeline", "Those of the pipelines of this name.")
AGENT = Param("agent", "Those on this agent.")
TRIGGER = Param("trigger", "Those of the triggers of this name.")
RUN_PHASE = Param("phase", "Those in this phase.", _words(*phases.RUN_PHASES))
PIPELINE_PHASE = Param("phase", "Those in this phase.", _words(phases.SCHEDULED, phases.NOT_SCHEDULED))
AGENT_PHASE = Param("phase", "Those in this phase.", _words(*AGENT_PHASES))
RUN_OUTCOME = Param("outcome", "Those that ended so.", _words("success", "error"))
SLOT_OUTCOME = Param("outcome", "Those that became this.", _words(*SLOT_OUTCOMES))


def asked(request: web.Request, params: tuple[Param, ...]) -> dict[str, Any]:
    """The query's values by name, as the schemas of `params` want them. Raises Refused."""
    known = {param.name: param for param in params if param.place == "query"}
    found: dict[str, Any] = {}
    for name, text in request.query.items():
        if name not in known:
            words = f"it takes {', '.join(known)}" if known else "it takes none"
            raise Refused(f"there is no param {name!r} here", hint=words, code="bad-param")
        if name in found:
            raise Refused(f"param {name} is there twice", code="bad-param")
        found[name] = _value(name, text, known[name].schema)
    return found


def _value(name: str, text: str, schema: Mapping[str, Any]) -> Any:
    kind = schema.get("type", "string")
    if kind == "integer":
        return _integer(name, text, schema)
    if kind == "boolean":
        return _boolean(name, text)
    if "enum" in schema and text not in schema["enum"]:
        raise _bad(name, text, f"one of {', '.join(schema['enum'])}")
    return text


def _integer(name: str, text: str, schema: Mapping[str, Any]) -> int:
    low, high = schema["minimum"], schema["maximum"]
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and low <= int(text) <= high):
        raise _bad(name, text, f"a number from {low} to {high}")
    return int(text)


def _boolean(name: str, text: str) -> bool:
    if text not in ("true", "false", "1", "0", ""):
        raise _bad(name, text, "true or false")
    return text in ("true", "1", "")


def _bad(name: str, text: str, wanted: str) -> Refused:
    return Refused(f"{name}={text!r} is not {wanted}", code="bad-param")


def filters(found: Mapping[str, Any]) -> dict[str, Any]:
    """The same as arguments of a view: an instant for `since`, a function for `selector`. Raises Refused, Usage."""
    given = dict(found)
    if "since" in given:
        given["since"] = instant(given["since"], time.time())
    if "selector" in given:
        given["labels"] = _labels(given.pop("selector"))
    return given


def _labels(text: str) -> Callable[[Mapping[str, str]], bool]:
    requirements = selectors.parse(text)
    return lambda labels: selectors.matches(requirements, labels)


def instant(text: str, now: float) -> float:
    """Seconds since 1970 of a duration ago, or of an RFC 3339 time. Raises Refused."""
    try:
        return now - parse_duration(text)
    except ValueError:
        pass  # it may be a time
    try:
        when = datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))
        if when.tzinfo is not None:
            return when.timestamp()
    except (ValueError, OverflowError):
        pass
    raise _bad("since", text, "a duration, or a time like 2026-11-23T02:30:00Z")
