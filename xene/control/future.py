"""Agents and pipelines as they would be after a plan, and where each would go. Called by `control.apply`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Iterable

from xene.control import placing
from xene.manifest.repository import Repository
from xene.model import codec
from xene.plan.diff import CHANGED, CREATED, REMOVED, Plan
from xene.plan.overrides import Override
from xene.plan.placement import Candidate, Decision, Wanted, place
from xene.store import agents, objects, overrides, pipelines, runs
from xene.store.db import State


class After:
    """The agents and pipelines as they would be after the plan."""

    def __init__(self, state: State, repository: Repository, plan: Plan) -> None:
        self._conn = state.conn
        touched = {(change.kind, change.name): change.action for change in plan.changes}
        self._entries = {
            (entry.kind, entry.name): entry
            for entry in repository.entries
            if touched.get((entry.kind, entry.name)) in (CREATED, CHANGED)
        }
        self._touched = set(touched)
        self._removed = {key for key, action in touched.items() if action == REMOVED}
        self._rows = pipelines.every(state.conn)
        self.was: dict[str, str | None] = {f"{row.workflow}/{row.name}": row.agent for row in self._rows}
        self._revisions: dict[str, str] = {}
        self.unheard: list[str] = []  # agents that never answered, once `agents` was asked

    def agents(self) -> list[Candidate]:
        """Declared ones; else the implicit one. Those never tried count as ready: an apply contacts them."""
        found = {row.name: row for row in agents.every(self._conn) if not row.leaving}
        fresh = {name for name, row in found.items() if row.tried_at is None}
        out = {each.name: each for each in placing.candidates(found.values())}
        declared = {name for kind, name in self._entries if kind == objects.AGENT}
        for name, row in found.items():
            if (objects.AGENT, name) in self._removed or (row.implicit and declared and name not in declared):
                del out[name]
        for name in declared:
            out[name] = self._candidate(name, out.get(name))
        self.unheard = sorted(name for name in out if name in fresh | (declared - set(found)))
        return [_ready(each) if each.name in self.unheard else each for each in out.values()]

    def _candidate(self, name: str, before: Candidate | None) -> Candidate:
        data = json.loads(self._entries[objects.AGENT, name].text)
        spec = data["spec"]
        said = overrides.word(self._conn, overrides.AGENT, name, overrides.CORDONED)
        return Candidate(
            name=name,
            labels=data["metadata"].get("labels", {}),
            capacity=spec.get("capacity", before.capacity if before else None),
            ready=before.ready if before else True,
            cordoned=spec.get("cordon", False) if said is None else said,
            why_not_ready=before.why_not_ready if before else "",
            drained=before.drained if before else False,
        )

    def pipelines(self) -> Iterable[Wanted]:
        for row in self._rows:
            key = (objects.WORKFLOW, row.workflow)
            if key not in self._entries and key not in self._removed:
                yield placing.wanted(row)
        for (kind, workflow), entry in self._entries.items():
            if kind == objects.WORKFLOW:
                data = json.loads(entry.text)
                for name, body in data["spec"]["pipelines"].items():
                    key_ = f"{workflow}/{name}"
                    self._revisions[key_] = codec.digest(codec.executable_spec(data, name))
                    where = placing.parse(codec.canonical(body.get("placement", {})))
                    yield Wanted(workflow, name, where, self.was.get(key_))

    def overrides(self) -> list[Override]:
        """What was said on top of the objects that the plan leaves, beside what their manifests say then."""
        found = []
        for word in overrides.every(self._conn):
            kind, name = word.kind, word.name
            if kind == overrides.PIPELINE:
                kind, name = objects.WORKFLOW, name.partition("/")[0]
            if (kind, name) in self._touched and (kind, name) not in self._removed:
                said = None if word.field == overrides.DRAINED else self._says(kind, name)
                found.append(Override(word.kind, word.name, word.field, word.value, said))
        return found

    def _says(self, kind: str, name: str) -> bool:
        """What the manifest of a workflow or agent will say of suspend, or cordon."""
        entry = self._entries.get((kind, name))
        data = objects.read(self._conn, kind, name) if entry is None else json.loads(entry.text)
        return bool((data or {"spec": {}})["spec"].get("suspend" if kind == objects.WORKFLOW else "cordon"))

    def keeping(self) -> list[str]:
        """Runs under way whose pipeline gets another revision, or goes: they keep what they have."""
        return [
            row.id
            for row in runs.unsettled(self._conn)
            if not row.ended and self._revision_goes(row.workflow, row.pipeline, row.revision)
        ]

    def _revision_goes(self, workflow: str, name: str, revision: str) -> bool:
        key = (objects.WORKFLOW, workflow)
        if key in self._removed:
            return True
        return key in self._entries and self._revisions.get(f"{workflow}/{name}") != revision


def _ready(each: Candidate) -> Candidate:
    return replace(each, ready=True, why_not_ready="")


def place_all(after: After) -> dict[str, Decision]:
    """Where every pipeline would be after the plan."""
    return place(after.pipelines(), after.agents())
