"""What can be read over HTTP: the lists of `xene get`, and one run. Each sees one moment of the state.

A token with a scope sees what is in it: lists are narrowed to it, what belongs to no workflow is refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping

from aiohttp import web

from xene.server import queries, shapes
from xene.server.auth import check_scope
from xene.server.queries import asked, filters
from xene.server.routes import JSON, Answer, Param, Route
from xene.server.service import service, token
from xene.store import views
from xene.store.db import State
from xene.store.tokens import READ, Token

RUN_ID = Param("id", "The run's whole id.", place="path")


_RUNS = (
    queries.WORKFLOW,
    queries.PIPELINE,
    queries.AGENT,
    queries.RUN_PHASE,
    queries.RUN_OUTCOME,
    queries.SINCE,
    queries.SELECTOR,
    queries.LIMITED,
)
_WORKFLOWS = (queries.WORKFLOW, queries.SELECTOR, queries.LIMITED)
_PIPELINES = (
    queries.WORKFLOW,
    queries.PIPELINE,
    queries.AGENT,
    queries.PIPELINE_PHASE,
    queries.SELECTOR,
    queries.LIMITED,
)
_AGENTS = (queries.AGENT, queries.AGENT_PHASE, queries.SELECTOR, queries.LIMITED)
_SLOTS = (
    queries.WORKFLOW,
    queries.PIPELINE,
    queries.TRIGGER,
    queries.SLOT_OUTCOME,
    queries.SINCE,
    queries.SELECTOR,
    queries.LIMITED,
)
View = Callable[..., list[dict[str, Any]]]


@dataclass(frozen=True)
class Kind:
    """A kind of object. `names`: what its view calls a param otherwise than the query does."""

    name: str
    view: View
    params: tuple[Param, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    of_workflow: bool = True


RUNS = Kind("Run", views.runs, _RUNS)
WORKFLOWS = Kind("Workflow", views.workflows, _WORKFLOWS, {"workflow": "name"})
PIPELINES = Kind("Pipeline", views.pipelines, _PIPELINES, {"pipeline": "name"})
AGENTS = Kind("Agent", views.agents, _AGENTS, {"agent": "name"}, of_workflow=False)
SLOTS = Kind("Slot", views.slots, _SLOTS)


def routes() -> list[Route]:
    """The routes of this page."""
    one = Answer("The run.", shapes.ref("Run"))
    return [
        _list("/v1/runs", RUNS, "Runs, newest first"),
        Route("GET", "/v1/runs/{id}", _run, "One run, with its tasks and steps", {200: one}, READ, (RUN_ID,)),
        _list("/v1/workflows", WORKFLOWS, "Workflows, by name"),
        _list("/v1/pipelines", PIPELINES, "Pipelines, by workflow"),
        _list("/v1/agents", AGENTS, "Agents, by name"),
        _list("/v1/slots", SLOTS, "Slots of cron triggers, newest first"),
    ]


def _list(path: str, kind: Kind, summary: str) -> Route:
    """The route that lists a kind."""

    async def handle(request: web.Request) -> web.StreamResponse:
        found = narrowed(token(request), kind, asked(request, kind.params))
        given = {"limit": queries.LIMIT, **filters(found)}
        words = {kind.names.get(name, name): value for name, value in given.items()}
        return await as_json(request, lambda state: kind.view(state, **words))

    answer = Answer("The list.", shapes.many(shapes.ref(kind.name)))
    return Route("GET", path, handle, summary, {200: answer}, READ, kind.params)


def narrowed(who: Token, kind: Kind, found: Mapping[str, Any]) -> dict[str, Any]:
    """The query, within the scope of a token. Raises Forbidden."""
    if who.scope is None:
        return dict(found)
    workflow, _, pipeline = who.scope.partition("/")
    check_scope(
        who, found.get("workflow", workflow) if kind.of_workflow else None, found.get("pipeline", pipeline)
    )
    if kind is WORKFLOWS:
        check_scope(who, workflow)  # all pipelines stand in it
    return {**found, "workflow": workflow, **({"pipeline": pipeline} if pipeline else {})}


async def _run(request: web.Request) -> web.StreamResponse:
    asked(request, ())

    def look(state: State) -> Any:
        found = views.run(state, request.match_info["id"])
        check_scope(token(request), found["workflow"], found["pipeline"])
        return found

    return await as_json(request, look)


async def as_json(request: web.Request, look: Callable[[State], Any]) -> web.Response:
    """What `look` finds, as JSON; it becomes text on the thread that has read it."""
    body = await service(request).readers.read(lambda state: json.dumps(look(state)).encode())
    return web.Response(body=body, content_type=JSON)
