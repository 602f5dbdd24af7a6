"""The words of a notice: its facts, a sentence, a subject, a body. Pure. Called by `sender`."""

from __future__ import annotations

import json
from typing import Any, Mapping

from xene.engine import expressions
from xene.model.notice import ERROR, FACTS, MISSED
from xene.store.notices import Notice
from xene.store.rows import instant

Facts = dict[str, Any]
_COPIED = ("attempt", "phase", "reason", "message", "agent", "trigger", "startedAt", "finishedAt")


def facts(notice: Notice, run: Mapping[str, Any] | None) -> Facts:
    """What a notice says, by the names of `model.notice.FACTS`. `run` is its run, None if that has gone."""
    found: Facts = dict.fromkeys(FACTS)
    found.update({name: run.get(name) for name in _COPIED} if run is not None else {})
    found.update(id=notice.id, kind=notice.kind, workflow=notice.workflow, pipeline=notice.pipeline)
    if notice.kind == MISSED:
        found.update(trigger=notice.trigger, count=notice.slots)
        found.update(since=instant(notice.since), until=instant(notice.until))
    else:
        found.update(run=notice.run, attempt=notice.attempt)
    found["text"] = _text(found)
    return found


def _text(found: Facts) -> str:
    name = f"{found['workflow']}/{found['pipeline']}"
    if found["kind"] == MISSED:
        many = "1 slot" if found["count"] == 1 else f"{found['count']} slots"
        when = found["since"] if found["count"] == 1 else f"{found['since']} to {found['until']}"
        return f"{name}: {many} of trigger {found['trigger']} missed ({when})"
    if found["kind"] == ERROR:
        why = ": ".join(each for each in (found["reason"], found["message"]) if each)
        return f"{name}: Error{', ' + why if why else ''} (run {found['run']})"
    return f"{name}: well again, run {found['run']} succeeded"


def subject(found: Facts) -> str:
    """The subject of a mail."""
    return f"[xene] {found['workflow']}/{found['pipeline']}: {found['kind']}"


def body(found: Facts, template: str | None) -> str:
    """The body of a webhook. Raises ExpressionError for a template that cannot be worked out."""
    if template is None:
        return json.dumps(found)
    return expressions.render(template, {"notice": found})


def mail(found: Facts) -> str:
    """The text of a mail."""
    lines = [str(found["text"]), ""]
    lines += [
        f"{name}: {found[name]}" for name in FACTS if name not in ("text", "id") and found[name] is not None
    ]
    if found["run"]:
        lines += ["", f"xene describe run {found['run']}", f"xene logs {found['run']}"]
    return "\n".join(lines) + "\n"
