"""Notices that wait, as commands show them. Called by `describe`, `why` and `control.doctor`; it only reads."""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Mapping, NamedTuple
from urllib.parse import urlsplit

from xene.model.notice import EMAIL, WEBHOOK
from xene.store.notices import WAITING
from xene.store.rows import Json, instant

_COLUMNS = "kind, run, trigger, count, target, tries, next_at, made_at, error"


class Standing(NamedTuple):
    """`watched` pipelines say whom to tell, so many notices are `waiting`; `error` is why the newest try failed."""

    watched: int
    waiting: int
    failing: int
    error: str | None


def waiting(conn: sqlite3.Connection, workflow: str, pipeline: str, limit: int) -> list[Json]:
    """Those of a pipeline that are not delivered, oldest first."""
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM notices INDEXED BY notices_of WHERE state = '{WAITING}' AND workflow = ?"
        " AND pipeline = ? ORDER BY id LIMIT ?",
        (workflow, pipeline, limit),
    )
    return [_view(row) for row in rows]


def standing(conn: sqlite3.Connection) -> Standing:
    """How things stand with the notices of a state."""
    (watched,) = conn.execute("SELECT count(*) FROM pipelines WHERE notify <> '[]'").fetchone()
    count, failing = conn.execute(
        f"SELECT count(*), count(error) FROM notices WHERE state = '{WAITING}'"
    ).fetchone()
    newest = conn.execute(
        f"SELECT error FROM notices WHERE state = '{WAITING}' AND error IS NOT NULL ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return Standing(watched, count, failing, newest[0] if newest else None)


def _view(row: tuple[Any, ...]) -> Json:
    kind, run, trigger, count, target, tries, next_at, made_at, error = row
    return {
        "kind": kind, "run": run, "trigger": trigger, "count": count, "to": _to(json.loads(target)),
        "tries": tries, "nextTryAt": instant(next_at) if tries else None, "madeAt": instant(made_at),
        "error": error,
    }  # fmt: skip


def _to(target: Mapping[str, Any]) -> str:
    """Whom it is for, in words; of a URL only the host, since what is behind it often opens a door."""
    if EMAIL in target:
        return ", ".join(target[EMAIL]["to"])
    if WEBHOOK not in target:
        return f"program {target['command'][0]}"
    webhook = target[WEBHOOK]
    if "secretRef" in webhook:
        return f"the URL of secret {webhook['secretRef']}"
    try:
        return urlsplit(webhook["url"]).hostname or "a webhook"
    except ValueError:
        return "a webhook whose URL is none"
