"""Webhook triggers as JSON: which pipelines they start, and where deliveries go. Part of `store.views`."""

from __future__ import annotations

from typing import Any, Mapping

from xene.store import objects
from xene.store.db import State
from xene.store.rows import Json


def webhooks(state: State, workflow: str, pipeline: str | None = None) -> list[Json]:
    """`{pipeline, name, verify, secretRef, when, params, path}` of a workflow's, in the manifest's order.

    `path` is that of the controller's HTTP to which deliveries go. Triggers that no pipeline names are left out.
    """
    if not state.exists:
        return []
    with state.snapshot() as conn:
        found = objects.read(conn, objects.WORKFLOW, workflow)
    spec: Mapping[str, Any] = {} if found is None else found["spec"]
    bodies = {name: body["webhook"] for name, body in spec.get("triggers", {}).items() if "webhook" in body}
    return [
        _view(workflow, each, name, bodies[name])
        for each, body in spec.get("pipelines", {}).items()
        for name in body.get("triggers", ())
        if name in bodies and pipeline in (None, each)
    ]


def _view(workflow: str, pipeline: str, name: str, webhook: Mapping[str, Any]) -> Json:
    return {
        "pipeline": pipeline,
        "name": name,
        "verify": webhook["verify"],
        "secretRef": webhook["secretRef"],
        "when": webhook.get("when"),
        "params": webhook.get("params", {}),
        "path": f"/hooks/{workflow}/triggers/{name}",
    }
