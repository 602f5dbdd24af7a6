"""Deliveries of webhooks, stored: the runs that one starts, and that it has been, in one transaction.

Called by `server.hooks` on the thread that writes for HTTP, inside its transaction. Whether a delivery is what it
claims to be was verified before; the next pass hands the runs to their agents.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Mapping

from xene.control import fire
from xene.errors import Conflict, NotFound, Unreachable
from xene.model.trigger import Webhook, webhook_from_json
from xene.plan.deliveries import Asked
from xene.store import artifacts, deliveries, objects, overrides, runs
from xene.store.deliveries import Answered, Delivery

WEBHOOK = "webhook"  # the trigger of runs that a default webhook starts
ACCEPTED, NOTHING = 202, 200


class Moved(Conflict):
    """The trigger is another one than the delivery was verified for: it is to be verified anew."""


def to_pipeline(
    conn: sqlite3.Connection,
    now: float,
    workflow: str,
    pipeline: str,
    given: Mapping[str, Any],
    source: str | None,
    delivery: Delivery | None,
    raw: bytes,
) -> Answered:
    """To the default webhook of a pipeline: one run. `source` is the id of a run whose artifacts it takes.

    Suspended or not: this is as `xene run`. Raises NotFound, Usage (bad params), Unplaceable, Conflict, and
    Unreachable where the artifacts are still on an agent; then nothing was stored.
    """
    known = None if delivery is None else deliveries.seen(conn, now, delivery, raw)
    if known is not None:
        return known
    if source is not None:
        _refuse_unfinished(conn, source)
    fired, _ = fire.begin(conn, now, workflow, WEBHOOK, given, only=pipeline, source=source)
    return _kept(conn, now, delivery, raw, Answered(ACCEPTED, fired.runs))


def _refuse_unfinished(conn: sqlite3.Connection, source: str) -> None:
    """A request does not wait until a run has ended and its artifacts are here. Raises Conflict, Unreachable."""
    (status,) = runs.statuses(conn, [source])
    if not status.ended:
        raise Conflict(
            f"run {source} has not ended: its artifacts come to the control host when it has",
            hint=f"xene wait {source}",
        )
    if artifacts.awaited(conn, source):
        raise Unreachable(
            f"the artifacts of run {source} are still on agent {status.agent}",
            hint="send it again in a while",
        )


def to_trigger(
    conn: sqlite3.Connection,
    now: float,
    workflow: str,
    trigger: str,
    asked: Asked,
    delivery: Delivery | None,
    raw: bytes,
) -> Answered:
    """To a webhook trigger: a run of each pipeline that names it, and what follows from them.

    `asked` was worked out beforehand, so that nobody waits for it who wants to write. No run where `when` is
    false or all of them are suspended. Raises like `to_pipeline`, and Moved where
    the trigger was changed meanwhile.
    """
    known = None if delivery is None else deliveries.seen(conn, now, delivery, raw)
    if known is not None:
        return known
    spec = _spec(conn, workflow)
    if webhook_of(spec, workflow, trigger) != asked.webhook:
        raise Moved(f"trigger {workflow}/{trigger} was changed just now", hint="send it again")
    if asked.refused is not None:
        raise asked.refused
    named = [] if asked.params is None else _named(conn, workflow, spec, trigger)
    if asked.params is None or not named:
        return _kept(conn, now, delivery, raw, Answered(NOTHING, ()))
    fired, _ = fire.begin(conn, now, workflow, trigger, asked.params, named=named)
    return _kept(conn, now, delivery, raw, Answered(ACCEPTED, fired.runs))


def webhook(conn: sqlite3.Connection, workflow: str, trigger: str) -> Webhook:
    """The webhook trigger of that name. Raises NotFound."""
    return webhook_of(_spec(conn, workflow), workflow, trigger)


def webhook_of(spec: Mapping[str, Any], workflow: str, trigger: str) -> Webhook:
    """The same, from the workflow's spec."""
    body = spec.get("triggers", {}).get(trigger, {}).get("webhook")
    if body is None:
        raise NotFound(
            f"workflow {workflow} has no webhook trigger {trigger}", hint=f"xene describe workflow {workflow}"
        )
    return webhook_from_json(body)


def _spec(conn: sqlite3.Connection, workflow: str) -> Mapping[str, Any]:
    found = objects.read(conn, objects.WORKFLOW, workflow)
    if found is None:
        raise NotFound(f"there is no workflow {workflow}", hint="xene get workflows")
    spec: Mapping[str, Any] = found["spec"]
    return spec


def _named(conn: sqlite3.Connection, workflow: str, spec: Mapping[str, Any], trigger: str) -> list[str]:
    """The pipelines that name the trigger and are not suspended."""
    suspended = overrides.suspension(conn)
    return [
        name
        for name, body in spec["pipelines"].items()
        if trigger in body.get("triggers", ()) and not suspended.of_pipeline(workflow, name)
    ]


def _kept(
    conn: sqlite3.Connection, now: float, delivery: Delivery | None, raw: bytes, answer: Answered
) -> Answered:
    if delivery is not None:
        deliveries.keep(conn, now, delivery, raw, answer.status, answer.runs)
    return answer
