"""Webhooks: the default one of each pipeline, and those of triggers. What is accepted is on disk before the answer.

A delivery is verified over its bytes before anything of it is read. One that comes again, known by its sender's
key, is answered as it was; it is looked up only after it was verified.
"""

from __future__ import annotations

import asyncio
from typing import Any, Mapping
from urllib.parse import parse_qs

from aiohttp import web

from xene.control import deliver
from xene.control.deliver import ACCEPTED, NOTHING, Moved
from xene.model.codec import secret_from_json
from xene.model.secret import Secret
from xene.model.trigger import BEARER, GITHUB, GITLAB, Webhook
from xene.plan.deliveries import asked as asked_by
from xene.server import shapes, verify
from xene.server.app import KEY_HEADER, idempotency_key, json_object, parse_json, raw_body
from xene.server.auth import check_scope
from xene.server.queries import asked
from xene.server.refusals import Busy, Refused, Unauthorized
from xene.server.routes import Answer, Param, Route
from xene.server.service import service, token
from xene.server.values import AGAIN, KEPT
from xene.store import objects, views
from xene.store.db import State
from xene.store.deliveries import Answered, Delivery
from xene.store.tokens import TRIGGER

KEYS = (KEY_HEADER, "X-GitHub-Delivery", "X-Gitlab-Event-UUID")  # the first that is there counts
PING = "ping"  # GitHub's event for a new hook: it asks for an answer and for nothing else
FORM = "application/x-www-form-urlencoded"
LATER = 5  # seconds after which a secret that cannot be had is worth another try
TIMES = 3  # that a delivery is verified anew, where its trigger is being changed

_KEY = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}
_PATH = (Param("workflow", "The workflow's name.", place="path"),)
_KEY_PARAM = Param(
    KEY_HEADER, "The same key within 7 days gets the same answer, and starts nothing.", _KEY, place="header"
)
_FIELDS = {
    "params": {"type": "object", "description": "Values of the pipeline's params, by name."},
    "artifactsFrom": {"type": "string", "description": "A run whose artifacts the new one takes."},
}
_BODY = {"type": "object", "properties": _FIELDS, "additionalProperties": False}
_STARTED = Answer("The runs that it started are on disk.", shapes.STARTED)
_NOTHING = Answer("It was taken, and starts nothing: `when` is false, or it is suspended.", shapes.STARTED)


def routes() -> list[Route]:
    """The routes of this page."""
    return [
        Route(
            "POST",
            "/hooks/{workflow}/pipelines/{pipeline}",
            _to_pipeline,
            "The default webhook of a pipeline: start it",
            {ACCEPTED: _STARTED},
            TRIGGER,
            (*_PATH, Param("pipeline", "The pipeline's name.", place="path"), _KEY_PARAM),
            _BODY,
        ),
        Route(
            "POST",
            "/hooks/{workflow}/triggers/{trigger}",
            _to_trigger,
            "A webhook trigger: start the pipelines that name it, if its manifest's `verify` holds",
            {ACCEPTED: _STARTED, NOTHING: _NOTHING},
            None,
            (*_PATH, Param("trigger", "The trigger's name.", place="path"), _KEY_PARAM),
            {},
            errors=(401,),
        ),
    ]


# -- the default webhook


async def _to_pipeline(request: web.Request) -> web.StreamResponse:
    asked(request, ())
    workflow, pipeline = request.match_info["workflow"], request.match_info["pipeline"]
    check_scope(token(request), workflow, pipeline)
    raw, key = await raw_body(request), _key(request)
    given, reference = _checked(json_object(raw))
    source = await _source(request, reference)
    delivery = None if key is None else Delivery(request.path, token(request).name, key)
    found = await service(request).writer.submit(
        lambda conn, now: deliver.to_pipeline(conn, now, workflow, pipeline, given, source, delivery, raw)
    )
    return _answered(found)


def _checked(body: dict[str, Any]) -> tuple[Mapping[str, Any], str | None]:
    """`params` and `artifactsFrom`. Raises Refused."""
    for name in body:
        if name not in _FIELDS:
            raise Refused(
                f"there is no field {name!r} here", hint="it takes params, artifactsFrom", code="bad-body"
            )
    given, source = body.get("params", {}), body.get("artifactsFrom")
    if not isinstance(given, dict):
        raise Refused("params is no JSON object", code="bad-body")
    if source is not None and not isinstance(source, str):
        raise Refused("artifactsFrom is no text", code="bad-body")
    return given, source


async def _source(request: web.Request, reference: str | None) -> str | None:
    """The id of the run that is named. Raises NotFound."""
    if reference is None:
        return None
    return await service(request).readers.read(lambda state: views.resolve_run(state, reference))


# -- triggers


async def _to_trigger(request: web.Request) -> web.StreamResponse:
    asked(request, ())
    workflow, trigger = request.match_info["workflow"], request.match_info["trigger"]
    raw = await raw_body(request)
    for _ in range(TIMES):
        try:
            return _answered(await _delivered(request, workflow, trigger, raw))
        except Moved:
            continue
    raise Busy("the trigger is being changed", retry_after=LATER)


async def _delivered(request: web.Request, workflow: str, trigger: str, raw: bytes) -> Answered:
    """Verify it, see what it asks for, and store that. Raises Moved where the trigger was changed meanwhile."""
    webhook, secret = await _look_up(request, workflow, trigger)
    await _verify(request, webhook, secret, raw)
    if webhook.verify == GITHUB and request.headers.get("X-GitHub-Event") == PING:
        return Answered(NOTHING, ())
    key, body = _key(request), _parsed(request, raw)
    found = await asyncio.to_thread(asked_by, trigger, webhook, body, _headers(request))
    delivery = None if key is None else Delivery(request.path, "", key)
    return await service(request).writer.submit(
        lambda conn, now: deliver.to_trigger(conn, now, workflow, trigger, found, delivery, raw)
    )


async def _look_up(request: web.Request, workflow: str, trigger: str) -> tuple[Webhook, Secret | None]:
    """The trigger and the Secret that it names, None where that is gone. Raises NotFound."""

    def look(state: State) -> tuple[Webhook, Secret | None]:
        with state.snapshot() as conn:
            found = deliver.webhook(conn, workflow, trigger)
            data = objects.read(conn, objects.SECRET, found.secret)
        return found, None if data is None else secret_from_json(data)

    return await service(request).readers.read(look)


async def _verify(request: web.Request, webhook: Webhook, secret: Secret | None, raw: bytes) -> None:
    """Raises Unauthorized; Busy where the secret cannot be had; TooMany for who tries in vain again and again."""
    header = verify.HEADERS[webhook.verify]
    proof = request.headers.get(header)
    if proof is None:
        raise Unauthorized(f"the header {header} is missing: this trigger is verified by {webhook.verify}")
    for age in (KEPT, AGAIN):
        if verify.is_verified(webhook.verify, await _value(request, webhook, secret, age), proof, raw):
            return
    raise Unauthorized(f"{header} does not fit the body and the secret", hint=_HINTS.get(webhook.verify, ""))


_HINTS = {
    GITLAB: "it is the secret token of the webhook's settings",
    BEARER: "Authorization: Bearer SECRET",
}


async def _value(request: web.Request, webhook: Webhook, secret: Secret | None, age: float) -> bytes:
    """The secret's value. Whoever asks is not told why it cannot be had: the controller's log is."""
    found = await service(request).values.get(webhook.secret, secret, older_than=age)
    if found is None:
        words = "the secret that it is verified with cannot be had"
        raise Busy(words, retry_after=LATER, code="secret-missing")
    return found


def _parsed(request: web.Request, raw: bytes) -> Any:
    """The body as JSON, or the `payload` of a form; an empty one is an empty object. Raises Refused.

    curl calls everything a form unless it is told otherwise; no form begins like JSON.
    """
    if not raw.strip():
        return {}
    if request.content_type == FORM and raw.lstrip()[:1] not in (b"{", b"["):
        return parse_json(_payload(raw))
    return parse_json(raw)


def _headers(request: web.Request) -> Mapping[str, str]:
    """The headers as text that can be stored, whatever bytes came; of several of one name the first."""
    return {
        name: request.headers[name].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        for name in request.headers
    }


def _payload(raw: bytes) -> bytes:
    try:
        fields = parse_qs(raw.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=100)
    except ValueError:
        raise Refused("the body is no form", code="bad-body") from None
    found = fields.get("payload", [])
    if len(found) != 1:
        raise Refused("a form has one field named payload, with the JSON", code="bad-body")
    return found[0].encode("utf-8", "surrogatepass")


def _key(request: web.Request) -> str | None:
    """By what the sender knows this delivery again. Raises Refused."""
    keys = (idempotency_key(request, header) for header in KEYS)
    return next((key for key in keys if key is not None), None)


def _answered(found: Answered) -> web.Response:
    return web.json_response({"runs": list(found.runs)}, status=found.status)
