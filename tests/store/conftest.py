"""A real state in a temporary directory, and short ways to fill it."""

from __future__ import annotations

import json
from typing import Any, Iterator

import pytest

from xene.model import codec
from xene.store import agents, db, fires, objects, runs
from xene.store.record import record

RUN = "20261123-023000-k7q2m4xa"


def workflow(name: str, pipelines: dict[str, Any] | None = None, **labels: str) -> dict[str, Any]:
    body = pipelines or {"build": {"tasks": {"one": {"steps": [{"name": "s", "run": "true"}]}}}}
    return {
        "apiVersion": "xene/v1",
        "kind": "Workflow",
        "metadata": {"name": name, "labels": labels} if labels else {"name": name},
        "spec": {"pipelines": body},
    }


def agent(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "xene/v1",
        "kind": "Agent",
        "metadata": {"name": name},
        "spec": spec or {"local": {}},
    }


class Filled:
    """A state and what tests do to it."""

    def __init__(self, state: db.State) -> None:
        self.state = state

    def put(self, *things: dict[str, Any], source: str = "test", now: float = 100.0) -> None:
        with self.state.transaction() as conn:
            for thing in things:
                meta = thing["metadata"]
                objects.put(
                    conn,
                    now,
                    thing["kind"],
                    meta["name"],
                    source=source,
                    labels=meta.get("labels", {}),
                    revision=codec.digest(thing),
                    text=json.dumps(thing),
                )

    def run(
        self,
        run: str = RUN,
        *,
        workflow: str = "shop",
        pipeline: str = "build",
        tasks: dict[str, list[str]] | None = None,
        pipeline_spec: dict[str, Any] | None = None,
        agent: str = "local",
        journal: str | None = "J",
        now: float = 100.0,
    ) -> str:
        """A run that was sent to `journal` (None: never sent)."""
        shape = {name: {"steps": [{"name": step, "run": "x"} for step in steps]} for name, steps in
                 (tasks or {"one": ["s"]}).items()}  # fmt: skip
        spec = {"pipeline": pipeline_spec or {"tasks": shape}}
        with self.state.transaction() as conn:
            revision = objects.put_revision(conn, now, spec)
            fire = "f-" + run
            fires.create(conn, now, fire, workflow, "manual", {})
            runs.create(
                conn, now, run, fire=fire, workflow=workflow, pipeline=pipeline, revision=revision, spec=spec,
                agent=agent, trigger="manual", params={},
            )  # fmt: skip
            if journal:
                runs.sent(conn, now, journal, [run])
        return run

    def hear(self, name: str = "local", journal: str = "J", now: float = 101.0, **facts: Any) -> bool:
        with self.state.transaction() as conn:
            return agents.heard(
                conn, now, name, {"journal": journal, "version": "v1", "boot": "b", "facts": facts}
            )

    def report(
        self, *events: dict[str, Any], first: int = 1, name: str = "local", journal: str = "J"
    ) -> list[str]:
        numbered = [{"n": first + place, **event} for place, event in enumerate(events)]
        with self.state.transaction() as conn:
            return record(conn, name, journal, numbered, 200.0)


@pytest.fixture
def filled(tmp_path: Any) -> Iterator[Filled]:
    with db.open_state(str(tmp_path / "home" / "state.db")) as state:
        yield Filled(state)
