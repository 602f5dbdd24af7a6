"""What a user typed, as the run or the pipeline that it names (SPEC 3). Used through `store.views`; only reads."""

from __future__ import annotations

import re
import sqlite3
from typing import Sequence

from xene.errors import NotFound
from xene.store.db import State

_BACK = re.compile(r"(.+)~([0-9]{1,9})\Z")
_SHOWN = 5


def resolve_run(state: State, text: str) -> str:
    """The id of the run that an id, a unique prefix, `WORKFLOW/PIPELINE` or `WORKFLOW/PIPELINE~N` names.

    Raises NotFound, with the candidates where there are several.
    """
    with state.snapshot() as conn:
        back = _BACK.match(text)
        if back or "/" in text:
            name, steps = (back.group(1), int(back.group(2))) if back else (text, 0)
            return _nth_run(conn, *_run_pipeline(conn, name), steps)
        found = _by_prefix(conn, text)
        if len(found) == 1 or text in found:
            return text if text in found else found[0]
        if len(found) > 1:
            more = " and more" if len(found) > _SHOWN else ""
            several = ", ".join(found[:_SHOWN]) + more
            raise NotFound(f"{text} is the beginning of several runs: {several}", hint="type more of it")
        if not re.match(r"[0-9]{4}", text):
            return _nth_run(conn, *_run_of_a_word(conn, text), 0)
        raise NotFound(f"there is no run {text}", hint="xene get runs")


def _by_prefix(conn: sqlite3.Connection, text: str) -> list[str]:
    """Ids that begin with `text`, by the index: at most one more than are shown."""
    if not text:
        return []
    rows = conn.execute(
        "SELECT id FROM runs WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
        (text, text + "\U0010ffff", _SHOWN + 1),
    )
    return [row[0] for row in rows]


def _run_of_a_word(conn: sqlite3.Connection, text: str) -> tuple[str, str]:
    """The pipeline that a bare word names, where it is the only one; the word may also be meant as a run."""
    try:
        return _run_pipeline(conn, text)
    except NotFound as error:
        if error.message.startswith("there is no pipeline"):
            raise NotFound(f"there is no run or pipeline {text}", hint=error.hint) from None
        raise


def _run_pipeline(conn: sqlite3.Connection, text: str) -> tuple[str, str]:
    """The pipeline whose runs are meant; it may have gone from the desired state."""
    if "/" in text:
        workflow, _, name = text.partition("/")
        known = conn.execute(
            "SELECT 1 FROM runs WHERE workflow = ? AND pipeline = ? LIMIT 1", (workflow, name)
        ).fetchone()
        return (workflow, name) if known else _pipeline(conn, text)
    rows = conn.execute("SELECT DISTINCT workflow FROM runs WHERE pipeline = ?", (text,)).fetchall()
    return (rows[0][0], text) if len(rows) == 1 else _pipeline(conn, text)


def _nth_run(conn: sqlite3.Connection, workflow: str, name: str, steps: int) -> str:
    row = conn.execute(
        "SELECT id FROM runs WHERE workflow = ? AND pipeline = ? ORDER BY seq DESC LIMIT 1 OFFSET ?",
        (workflow, name, steps),
    ).fetchone()
    if row is None:
        count = conn.execute(
            "SELECT count(*) FROM runs WHERE workflow = ? AND pipeline = ?", (workflow, name)
        ).fetchone()[0]
        if count:
            what = f"{workflow}/{name} has only {count} run{'s' if count > 1 else ''}"
        else:
            what = f"{workflow}/{name} has not run yet"
        raise NotFound(what, hint=f"xene run {workflow}/{name}" if not count else "xene get runs")
    return str(row[0])


def resolve_pipeline(state: State, text: str) -> tuple[str, str]:
    """(workflow, pipeline) that `WORKFLOW/PIPELINE`, or a bare pipeline name if it is unique, names.

    Raises NotFound, with the candidates where there are several, or with the nearest name.
    """
    with state.snapshot() as conn:
        return _pipeline(conn, text)


def _pipeline(conn: sqlite3.Connection, text: str) -> tuple[str, str]:
    workflow, slash, name = text.partition("/")
    if slash:
        if conn.execute(
            "SELECT 1 FROM pipelines WHERE workflow = ? AND name = ?", (workflow, name)
        ).fetchone():
            return workflow, name
        raise NotFound(f"there is no pipeline {text}", hint=_hint(conn, text, workflow))
    found = [
        row[0]
        for row in conn.execute("SELECT workflow FROM pipelines WHERE name = ? ORDER BY workflow", (text,))
    ]
    if len(found) == 1:
        return found[0], text
    if found:
        candidates = _listed([f"{each}/{text}" for each in found])
        raise NotFound(f"several workflows have a pipeline {text}: {candidates}", hint="name one of them")
    raise NotFound(f"there is no pipeline {text}", hint=_hint(conn, text, text))


def _hint(conn: sqlite3.Connection, text: str, workflow: str) -> str:
    """The pipelines of a workflow that is meant; else the nearest name; else where to look."""
    own = [row[0] for row in conn.execute("SELECT name FROM pipelines WHERE workflow = ?", (workflow,))]
    if own:
        return f"workflow {workflow} has {_listed([f'{workflow}/{name}' for name in own])}"
    from difflib import get_close_matches  # 5 ms: only when there is an error to word

    rows = conn.execute("SELECT workflow, name FROM pipelines").fetchall()
    names = {f"{row[0]}/{row[1]}": f"{row[0]}/{row[1]}" for row in rows}
    if "/" not in text:
        names |= {row[1]: f"{row[0]}/{row[1]}" for row in rows} | {
            row[0]: f"{row[0]}/{row[1]}" for row in rows
        }
    near = get_close_matches(text, names, 1, 0.6)
    return f"did you mean {names[near[0]]}?" if near else "xene get pipelines"


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest
