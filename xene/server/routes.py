"""The table of routes: each with its handler, the role it wants, and what OpenAPI says of it. Data only.

`app` serves it, `openapi` describes it; `api`, `acts` and `hooks` fill it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Awaitable, Callable, Mapping

from aiohttp import web

Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
JSON, TEXT = "application/json", "text/plain"


@dataclass(frozen=True)
class Param:
    """A param of the path (`place` path), the query or the headers; `schema` is its JSON schema."""

    name: str
    description: str
    schema: Json = field(default_factory=lambda: {"type": "string"})
    place: str = "query"


@dataclass(frozen=True)
class Answer:
    """What comes with a status: `schema` of JSON, or None for another media type."""

    description: str
    schema: Json | None = None
    media: str = JSON


@dataclass(frozen=True)
class Route:
    """`path` has `{NAME}` for its params. `role`: that of the token; None: none is wanted, or the handler verifies.

    `body` is the JSON schema of the request's body, None where there is none. Errors that any route may answer are
    added by `openapi`, `errors` are what this one has besides. `guard` is asked first: True lets anybody in.
    """

    method: str
    path: str
    handle: Handler
    summary: str
    answers: Mapping[int, Answer]
    role: str | None = None
    params: tuple[Param, ...] = ()
    body: Json | None = None
    body_required: bool = False
    errors: tuple[int, ...] = ()
    guard: Callable[[web.Request], bool] = lambda _: False
