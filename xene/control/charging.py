"""Reckons the charges of pipelines that lost their tags: what agents need to fire them. Called by a pass.

The rules of time zones are read from this host once for each process, and kept in the state with the charges that
name them, so that both sides reckon with the same ones.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Iterable, Mapping

from xene.control.placing import parse
from xene.manifest import zones as host
from xene.model import charge as charges_model
from xene.model import phases
from xene.model.ids import pipeline_key
from xene.model.trigger import SLOT_UNKNOWN, cron_from_json
from xene.plan import charges as plan
from xene.store import agents, charges, events, lapses, objects, overrides, runs, triggers
from xene.store.agents import Agent
from xene.store.db import State
from xene.store.overrides import Suspension


def refresh_zones(state: State) -> None:
    """Take over what this host knows of the zones by now; one that it no longer knows stays as it was."""
    with state.snapshot() as conn:
        known = charges.zones(conn)
    changed = {name: data for name, digest in known.items() if (data := _changed(name, digest)) is not None}
    if changed:
        with state.transaction() as conn:
            for name, data in changed.items():
                charges.put_zone(conn, name, host.digest(data), data)


def _changed(name: str, digest: str) -> bytes | None:
    data = _read(name)
    return None if data is None or host.digest(data) == digest else data


def is_untagged(conn: sqlite3.Connection) -> bool:
    """Whether there may be something for `reckon` to do."""
    return charges.some_untagged(conn)


def is_due(conn: sqlite3.Connection) -> bool:
    """Whether there is a charge to be reckoned."""
    return bool(charges.stale(conn))


def reckon(conn: sqlite3.Connection, now: float) -> None:
    """Give a tag to every pipeline that is on an agent and that nobody else may fire."""
    charges.tag_plain(conn)
    zones = _Zones(conn, now)
    zones.keep(triggers.zones(conn))
    stale = charges.stale(conn)
    if not stale:
        return
    known = {row.name: row for row in agents.every(conn)}
    suspended = overrides.suspension(conn)
    specs: dict[str, Mapping[str, Any]] = {}
    for each in stale:
        if each.charged != each.agent:
            _begin(conn, each)
        if each.revision not in specs:
            specs[each.revision] = objects.read_revision(conn, each.revision)
        _charge(conn, each, specs[each.revision], known[each.agent], zones, suspended)


def _begin(conn: sqlite3.Connection, each: charges.Stale) -> None:
    """An agent gets the pipeline that did not have it: it begins where others have left off.

    What one that lost it may have fired is not known until it is heard.
    """
    rows = triggers.of_pipeline(conn, each.workflow, each.pipeline)
    fenced_to = 0.0
    for agent, fenced_at in agents.fences(conn, each.workflow, each.pipeline):
        message = f"agent {agent} may have fired it, and has lost the pipeline since"
        for row in rows:
            lapses.add(conn, row, fenced_at, phases.AGENT_SILENT, message, agent, SLOT_UNKNOWN)
        fenced_to = max(fenced_to, fenced_at)
    triggers.raised(conn, rows, fenced_to)


def _charge(
    conn: sqlite3.Connection,
    each: charges.Stale,
    spec: Mapping[str, Any],
    agent: Agent,
    zones: _Zones,
    suspended: Suspension,
) -> None:
    rows = triggers.of_pipeline(conn, each.workflow, each.pipeline)
    crons = [(row.name, cron_from_json(json.loads(row.cron or "{}")), row.since) for row in rows]
    crons = [(name, cron, since) for name, cron, since in crons if zones.has(cron.time_zone, each, name)]
    made = plan.charge(
        plan.Entrusted(
            workflow=each.workflow,
            pipeline=each.pipeline,
            revision=each.revision,
            spec=spec,
            placement=parse(each.placement),
            agent=agent.name,
            agent_env=agent.spec.get("env", {}),
            agent_labels=agent.labels,
            triggers=crons,
            zones=zones.known,
            suspended=suspended.of_pipeline(each.workflow, each.pipeline),
        )
    )
    charges.put(
        conn,
        (each.workflow, each.pipeline, each.agent),
        runs.policy_of(spec),
        spec["pipeline"].get("secrets", {}),
        made.to_json(),
        charges_model.tag(each.revision, plan.digest(made)),
    )


class _Zones:
    """The digests of zones by name: `known` are those that are stored, as many as this host knows."""

    def __init__(self, conn: sqlite3.Connection, now: float) -> None:
        self._conn, self._now = conn, now
        self.known = charges.zones(conn)

    def keep(self, names: Iterable[str]) -> None:
        """Store these too, as far as this host knows them."""
        for name in names:
            if name not in self.known and (data := _read(name)) is not None:
                self.known[name] = host.digest(data)
                charges.put_zone(self._conn, name, self.known[name], data)

    def has(self, name: str, each: charges.Stale, trigger: str) -> bool:
        """Whether the zone of a trigger is known. If it is not, an event says so."""
        if name not in self.known:
            message = f"trigger {trigger} does not fire: this host knows no time zone {name}; install tzdata"
            key = pipeline_key(each.workflow, each.pipeline)
            events.note_news(self._conn, self._now, "Pipeline", key, "TimeZoneUnknown", message)
        return name in self.known


def _read(name: str) -> bytes | None:
    try:
        return host.zone_bytes(name)
    except KeyError:
        return None
