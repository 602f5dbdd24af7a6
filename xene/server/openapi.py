"""The OpenAPI document, made of the table of routes: what is served is what is described.

A route adds nothing to it by itself; errors that any route may answer are the same for all.
"""

from __future__ import annotations

import re
from typing import Any, Iterable, Mapping

from aiohttp import web

from xene import __version__
from xene.server import shapes
from xene.server.app import REQUEST_ID_HEADER, App
from xene.server.routes import JSON, Answer, Param, Route

PATH = "/v1/openapi.json"
_REASONS: Mapping[int, str] = {
    400: "The request, a param or the body is wrong; `error` says what.",
    401: "No token, or one that is not known, was removed, or has expired.",
    403: "The token has another role, or is for another workflow.",
    404: "There is no such object.",
    405: "This path does not take the method.",
    408: "The body did not come in time.",
    409: "It has ended already, another run goes on (Forbid), or the key came with another body.",
    413: "The body has more than 1 MiB.",
    415: "The body is encoded, or not of a type that is taken.",
    429: "Too many requests; `Retry-After` says when to come again.",
    500: "A bug in Xene; the controller's log has it under the request's id.",
    503: "It cannot be done now, and nothing was stored; `Retry-After` says when to come again.",
}
_ANY = (400, 429, 500, 503)


def add(app: App) -> None:
    """Serve the document of all routes, those added later too."""

    async def handle(_: web.Request) -> web.StreamResponse:
        return web.json_response(document(app.routes))

    answer = Answer("The document.", {"type": "object"})
    app.add(Route("GET", PATH, handle, "This document", {200: answer}))


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """OpenAPI 3.1 of these routes."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Xene",
            "version": __version__,
            "description": "The HTTP API of `xene controller`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": dict(shapes.COMPONENTS),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": _TOKEN}},
        },
    }


_TOKEN = "A token of `xene token create`."


def _operation(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": _name(route),
        "summary": route.summary,
        "parameters": [_param(param) for param in route.params],
        "responses": {**_answers(route), **_errors(route)},
    }
    if route.role is not None:
        found["description"] = f"Wants a token with the role {route.role}, or admin."
        found["security"] = [{"token": []}]
    if route.body is not None:
        found["requestBody"] = {"required": route.body_required, "content": {JSON: {"schema": route.body}}}
    return found


def _name(route: Route) -> str:
    """`getRunsIdLogs` of GET /v1/runs/{id}/logs."""
    words = re.findall(r"[a-z]+", route.path.removeprefix("/v1"))
    return route.method.lower() + "".join(word.capitalize() for word in words)


def _param(param: Param) -> dict[str, Any]:
    needed = {"required": True} if param.place == "path" else {}
    return {
        "name": param.name,
        "in": param.place,
        "description": param.description,
        "schema": param.schema,
        **needed,
    }


def _answers(route: Route) -> dict[str, Any]:
    return {
        str(status): {
            "description": answer.description,
            "headers": {
                REQUEST_ID_HEADER: {"schema": {"type": "string"}, "description": "The request's id."}
            },
            "content": {answer.media: {"schema": answer.schema or {"type": "string"}}},
        }
        for status, answer in route.answers.items()
    }


def _errors(route: Route) -> dict[str, Any]:
    statuses = {*_ANY, *route.errors}
    statuses |= {401, 403} if route.role is not None else set()
    statuses |= {404} if "{" in route.path else set()
    statuses |= {408, 409, 413, 415} if route.method == "POST" else set()
    content = {JSON: {"schema": shapes.ref("Error")}}
    return {
        str(status): {"description": _REASONS[status], "content": content}
        for status in sorted(statuses - set(route.answers))
    }
