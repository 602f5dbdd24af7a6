"""What the views share: conditions, limits, labels, instants. Used by `store.views` and `store.run_views` alone."""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Callable, Iterable, Mapping

from xene.model.units import rfc3339

Json = dict[str, Any]
Labels = Callable[[Mapping[str, str]], bool]


def instant(at: float | None) -> str | None:
    return None if at is None else rfc3339(at)


def anything(_: Mapping[str, str]) -> bool:
    return True


class Where:
    """Conditions joined by AND, only those that were asked for."""

    def __init__(self) -> None:
        self.terms: list[str] = []
        self.values: list[Any] = []

    def add(self, term: str, value: Any) -> None:
        if value is not None:
            self.terms.append(term)
            self.values.append(value)

    def __str__(self) -> str:
        return " WHERE " + " AND ".join(self.terms) if self.terms else ""


def bounded(rows: Iterable[Any], limit: int | None, wanted: Callable[[Any], bool]) -> list[Any]:
    """Those that are wanted, at most `limit` of them."""
    found: list[Any] = []
    for row in rows:
        if limit is not None and len(found) >= limit:
            break
        if wanted(row):
            found.append(row)
    return found


def by_workflow(conn: sqlite3.Connection, labels: Labels) -> Callable[[str], bool]:
    """Whether the workflow of that name has the labels asked for; one that is gone has none."""
    if labels is anything:
        return lambda _: True
    rows = conn.execute("SELECT name, labels FROM objects WHERE kind = 'Workflow'")
    known = {name: json.loads(text) for name, text in rows}
    return lambda workflow: labels(known.get(workflow, {}))
