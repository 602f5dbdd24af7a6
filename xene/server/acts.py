"""What can be done to a run over HTTP: the wishes of `xene cancel kill retry rerun approve reject`.

The wish is stored, by the code of those commands, before the answer: 202 means that it stands in the state. The
controller carries it out; how it came out stands in the run.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Awaitable, Callable, Mapping

from aiohttp import web

from xene.control import again, answering, ending, fire, safe
from xene.server import shapes
from xene.server.api import RUN_ID
from xene.server.app import KEY_HEADER, KEY_MOST, idempotency_key, json_object, raw_body
from xene.server.auth import check_scope
from xene.server.queries import asked
from xene.server.refusals import Refused
from xene.server.routes import Answer, Param, Route
from xene.server.service import service, token
from xene.store import deliveries, events, views
from xene.store.db import State
from xene.store.deliveries import Delivery
from xene.store.tokens import ADMIN

LONGEST = 1000  # characters of a message
ACCEPTED = 202
ASKED = "AskedOverHttp"  # the reason of the event that says by which token
KEY = Param(
    KEY_HEADER,
    "The same key within 7 days gets the same answer, and nothing is done twice; with another body it is refused.",
    {"type": "string", "minLength": 1, "maxLength": KEY_MOST, "pattern": "^[ -~]+$"},
    place="header",
)

Body = Mapping[str, Any]
Words = Mapping[str, Mapping[str, Any]]  # the fields of a body, with their schemas
Store = Callable[[sqlite3.Connection, float, str, Body], str]

_MESSAGE = {"type": "string", "maxLength": LONGEST, "description": "Why; kept with the run."}
_TASK = {"type": "string", "description": "The task that waits for approval."}
_FROM = {"type": "string", "description": "This task and all after it, too."}
_REVISION = {
    "type": "string",
    "enum": ["latest"],
    "description": "As the pipeline is now, not as it was then.",
}


def routes() -> list[Route]:
    """The routes of this page."""
    return [
        _route("cancel", "End a run; its `finally` tasks run", {}, _ending(kill=False)),
        _route("kill", "End a run at once", {}, _ending(kill=True)),
        _route(
            "retry",
            "Another attempt of an ended run, of what failed and all after it",
            {"from": _FROM},
            _retry,
        ),
        _route(
            "rerun", "A new run with the inputs of this one", {"revision": _REVISION}, _rerun, _look_at_files
        ),
        _route(
            "approve", "Let a task start", {"task": _TASK, "message": _MESSAGE}, _answering(approved=True)
        ),
        _route("reject", "Refuse a task", {"task": _TASK, "message": _MESSAGE}, _answering(approved=False)),
    ]


async def _nothing(_: web.Request) -> None:
    """Most acts want no look at anything before."""


def _route(
    verb: str,
    summary: str,
    fields: Words,
    store: Store,
    before: Callable[[web.Request], Awaitable[None]] = _nothing,
) -> Route:
    """The route of one act."""
    required = ["task"] if "task" in fields else []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked(request, ())
        raw, key = await raw_body(request), idempotency_key(request)
        body = {**_checked(json_object(raw), fields, required), "by": token(request).name}
        await before(request)

        def act(conn: sqlite3.Connection, now: float) -> list[str]:
            delivery = None if key is None else Delivery(request.path, token(request).name, key)
            known = None if delivery is None else deliveries.seen(conn, now, delivery, raw)
            if known is not None:
                return list(known.runs)
            found = views.run_now(conn, request.match_info["id"])
            check_scope(token(request), found["workflow"], found["pipeline"])
            made = [store(conn, now, found["id"], body)]
            events.note(conn, now, "Run", found["id"], ASKED, f"{verb} by token {body['by']}")
            if delivery is not None:
                deliveries.keep(conn, now, delivery, raw, ACCEPTED, made)
            return made

        return web.json_response({"runs": await service(request).writer.submit(act)}, status=ACCEPTED)

    schema = {
        "type": "object",
        "properties": dict(fields),
        "additionalProperties": False,
        "required": required,
    }
    answer = Answer("It is stored, and will be carried out. `runs` names the run.", shapes.STARTED)
    path = f"/v1/runs/{{id}}/{verb}"
    return Route(
        "POST", path, handle, summary, {ACCEPTED: answer}, ADMIN, (RUN_ID, KEY), schema, bool(required)
    )


def _checked(body: dict[str, Any], fields: Words, required: list[str]) -> dict[str, Any]:
    """The body, if it is what its schema says. Raises Refused."""
    for name, value in body.items():
        if name not in fields:
            known = f"it takes {', '.join(fields)}" if fields else "it takes none"
            raise Refused(f"there is no field {name!r} here", hint=known, code="bad-body")
        if not isinstance(value, str):
            raise Refused(f"{name} is no text", code="bad-body")
        if len(value) > fields[name].get("maxLength", len(value)):
            raise Refused(f"{name} has more than {LONGEST} characters", code="bad-body")
        if value not in fields[name].get("enum", [value]):
            raise Refused(f"{name}: only {', '.join(fields[name]['enum'])} is known", code="bad-body")
    for name in required:
        if name not in body:
            raise Refused(f"{name} is missing", code="bad-body")
    return body


def _ending(*, kill: bool) -> Store:
    def store(conn: sqlite3.Connection, now: float, run: str, _: Body) -> str:
        ending.ask(conn, now, run, kill=kill)
        return run

    return store


def _retry(conn: sqlite3.Connection, now: float, run: str, body: Body) -> str:
    again.ask(conn, now, run, body.get("from"))
    return run


async def _look_at_files(request: web.Request) -> None:
    """As before every fire: `secrets.env` must not be open to others. Raises NotTrusted."""
    place = service(request).place

    def look(state: State) -> None:
        found = views.run(state, request.match_info["id"])
        safe.refuse_open_file(place.home, state.conn, found["workflow"], found["pipeline"])

    await service(request).readers.read(look)


def _rerun(conn: sqlite3.Connection, now: float, run: str, body: Body) -> str:
    fired, _ = fire.repeat(conn, now, views.run_now(conn, run), latest="revision" in body)
    return fired.runs[0]


def _answering(*, approved: bool) -> Store:
    def store(conn: sqlite3.Connection, now: float, run: str, body: Body) -> str:
        who = f"{'approved' if approved else 'rejected'} by token {body['by']}"
        words = f"{who}: {body['message']}" if body.get("message") else who
        answering.ask(conn, now, run, body["task"], approved, words)
        return run

    return store
