"""Values of the secrets that runs need, read just before they are sent. In memory, for one pass, and nowhere else.

Called by a pass before its transaction: a password manager may take its time, and the state must not wait for it.
"""

from __future__ import annotations

import os
import sqlite3
from typing import Iterable, Mapping

from xene.control.sessions import Link
from xene.control.settings import sources
from xene.errors import XeneError
from xene.model.codec import secret_from_json
from xene.model.secret import Secret
from xene.plan.orders import Unlock
from xene.secrets import private
from xene.secrets.sources import ENV_FILE, Sources
from xene.store import objects, pipelines, runs


class Safe:
    """`values` by run, then by environment variable; `missing`: why a run cannot have what it needs."""

    def __init__(self) -> None:
        self.values: dict[str, Mapping[str, str]] = {}
        self.missing: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<Safe for {len(self.values)} runs>"  # never the values, wherever it may be printed


def look(home: str, conn: sqlite3.Connection, links: Mapping[str, Link]) -> Safe:
    """The values for all runs that are to be sent, or whose agent may have lost them, over the open connections.

    `home` is $XENE_HOME.
    """
    safe = Safe()
    due = [row for row in runs.locked(conn) if _is_due(row, links.get(row.agent))]
    if due:
        source = sources(home)
        known = _known(conn, {name for row in due for name in row.secrets.values()})
        for row in due:
            try:
                safe.values[row.id] = values_of(source, row.secrets, known)
            except XeneError as error:
                safe.missing[row.id] = f"{error.message}; {error.hint}" if error.hint else error.message
    return safe


def refuse_open_file(home: str, conn: sqlite3.Connection, workflow: str, only: str | None) -> None:
    """Before a fire: `secrets.env` must not be readable for others where a pipeline needs it. Raises NotTrusted.

    A pass that meets such a file later can only end the run.
    """
    rows = [row for row in pipelines.of_workflow(conn, workflow) if only in (None, row.name)]
    specs = [objects.read_revision(conn, row.revision)["pipeline"] for row in rows]
    names = {name for spec in specs for name in spec.get("secrets", {}).values()}
    if any(each.env and each.env not in os.environ for each in _known(conn, names).values()):
        private.read(os.path.join(home, ENV_FILE))


def values_of(source: Sources, wanted: Mapping[str, str], known: Mapping[str, Secret]) -> dict[str, str]:
    """By environment variable the value of the Secret that is wanted there. Raises SecretMissing, NotTrusted."""
    found = source.values(known, wanted.values())
    return {variable: found[name] for variable, name in wanted.items()}


def _is_due(row: runs.Locked, link: Link | None) -> bool:
    if link is None or not link.up or not link.caught_up:
        return False
    return Unlock(row.id, row.attempt) not in link.told.unlocks


def _known(conn: sqlite3.Connection, names: Iterable[str]) -> dict[str, Secret]:
    found = {name: objects.read(conn, objects.SECRET, name) for name in names}
    return {name: secret_from_json(data) for name, data in found.items() if data is not None}
