"""Values of the secrets that runs and charges need, read just before they are sent. In memory, for one pass.

Called by a pass before its transaction: a password manager may take its time, and the state must not wait for it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from typing import Iterable, Mapping

from xene.control.sessions import Link
from xene.control.settings import sources
from xene.errors import XeneError
from xene.model.codec import secret_from_json
from xene.model.secret import Secret
from xene.plan.orders import Entrust, Unlock
from xene.secrets import private
from xene.secrets.sources import ENV_FILE, Sources
from xene.store import charges, objects, pipelines, runs

AGAIN = 60.0  # seconds until secrets that a charge lacks are looked for again on the same connection


class Safe:
    """`values` by run, then by environment variable; `missing`: why a run cannot have what it needs.

    `entrusted` and `lacking` are the same for pipelines (`WORKFLOW/PIPELINE`) that agents fire by themselves.
    """

    def __init__(self) -> None:
        self.values: dict[str, Mapping[str, str]] = {}
        self.missing: dict[str, str] = {}
        self.entrusted: dict[str, Mapping[str, str]] = {}
        self.lacking: dict[str, str] = {}

    def __repr__(self) -> str:
        """Never the values, wherever it may be printed."""
        return f"<Safe for {len(self.values)} runs and {len(self.entrusted)} charges>"


def look(home: str, conn: sqlite3.Connection, links: Mapping[str, Link]) -> Safe:
    """The values for all runs that are to be sent, or whose agent may have lost them, over the open connections.

    `home` is $XENE_HOME.
    """
    safe = Safe()
    locked = [row for row in runs.locked(conn) if _is_due(row, links.get(row.agent))]
    charged = _charged(conn, links, safe)
    if locked or charged:
        shelf = _Shelf(home, conn, [row.secrets for row in locked] + [wanted for _, _, wanted in charged])
        for row in locked:
            shelf.put(row.id, row.secrets, safe.values, safe.missing)
        for key, link, wanted in charged:
            shelf.put(key, wanted, safe.entrusted, safe.lacking)
            if key in safe.lacking:
                link.lacking[key] = (time.monotonic() + AGAIN, safe.lacking[key])
    return safe


class _Shelf:
    """The values at hand; each set of secrets is fetched once, however many runs and pipelines need it."""

    def __init__(self, home: str, conn: sqlite3.Connection, wanted: Iterable[Mapping[str, str]]) -> None:
        self._source = sources(home)
        self._known = _known(conn, {name for each in wanted for name in each.values()})
        self._found: dict[tuple[tuple[str, str], ...], Mapping[str, str] | str] = {}

    def put(
        self,
        name: str,
        wanted: Mapping[str, str],
        there: dict[str, Mapping[str, str]],
        missing: dict[str, str],
    ) -> None:
        """Lay what `name` wants into `there`, or into `missing` why it cannot be had."""
        found = self._fetch(wanted)
        if isinstance(found, str):
            missing[name] = found
        else:
            there[name] = found

    def _fetch(self, wanted: Mapping[str, str]) -> Mapping[str, str] | str:
        key = tuple(sorted(wanted.items()))
        if key not in self._found:
            try:
                self._found[key] = values_of(self._source, wanted, self._known)
            except XeneError as error:
                self._found[key] = f"{error.message}; {error.hint}" if error.hint else error.message
        return self._found[key]


def _charged(
    conn: sqlite3.Connection, links: Mapping[str, Link], safe: Safe
) -> list[tuple[str, Link, Mapping[str, str]]]:
    """Pipelines whose charges are to be sent with secrets over the open connections.

    What could not be had a moment ago is not asked for again yet: a password manager may take its time to say no.
    """
    found, told = (
        [],
        {name: {each for each in link.told.entrusts if each.whole} for name, link in links.items()},
    )
    for row in charges.with_secrets(conn):
        key, link = f"{row.workflow}/{row.pipeline}", links.get(row.agent)
        if (
            link is None
            or not link.up
            or not link.caught_up
            or Entrust(key, row.tag, True) in told[row.agent]
        ):
            continue
        again, why = link.lacking.get(key, (0.0, ""))
        if time.monotonic() < again:
            safe.lacking[key] = why
        else:
            found.append((key, link, json.loads(row.secrets)))
    return found


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
