"""The HTTP application: routes, who may use them, how often, and errors as JSON with a code.

Made by `companion` for a controller at work. A request passes: its id, the rate limit of its address, its token,
the rate limit of that, the handler. What a handler raises becomes an answer here and nowhere else.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
import traceback
from typing import Any, Iterable

from aiohttp import hdrs, web

from xene.errors import XeneError
from xene.server import auth, refusals, verify
from xene.server.limits import Limit, whole_seconds
from xene.server.refusals import Refused, TooLarge, TooMany, TooSlow, Unauthorized
from xene.server.routes import Handler, Route
from xene.server.service import REQUEST_ID, SERVICE, TOKEN, Service, client

MOST = 1024 * 1024  # bytes of a body
BODY_SECONDS = 20.0  # for a body to come
REQUEST_ID_HEADER = "X-Request-Id"
KEY_HEADER, KEY_MOST = "Idempotency-Key", 255
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class App:
    """The routes of one service."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.routes: list[Route] = []
        self.web = web.Application(middlewares=[_answering], client_max_size=MOST)
        self.web[SERVICE] = service
        self.web.on_response_prepare.append(_head)

    def add(self, route: Route) -> None:
        """Serve one more route."""
        self.routes.append(route)
        self.web.router.add_route(
            route.method, route.path, _guarded(route), expect_handler=_refuse_before_it_is_sent
        )

    def add_all(self, routes: Iterable[Route]) -> None:
        """Serve all of these."""
        for route in routes:
            self.add(route)


async def raw_body(request: web.Request, limit: int = MOST) -> bytes:
    """The bytes of the body as they came. Raises TooLarge (before reading, where its length says so), TooSlow."""
    _refuse_large(request, limit)
    pieces, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.content.iter_any():
                size += len(piece)
                if size > limit:
                    raise _too_large(limit)
                pieces.append(piece)
    except TimeoutError:
        raise TooSlow(f"the body did not come within {BODY_SECONDS:g} s") from None
    except web.RequestPayloadError:
        raise Refused("the body broke off, or is not what its headers say") from None
    return b"".join(pieces)


def idempotency_key(request: web.Request, header: str = KEY_HEADER) -> str | None:
    """The key by which the sender knows this delivery again, None if it gave none. Raises Refused."""
    key = request.headers.get(header)
    if key is not None and not (0 < len(key) <= KEY_MOST and key.isprintable() and key.isascii()):
        raise Refused(f"{header} is 1 to {KEY_MOST} printable ASCII characters", code="bad-key")
    return key


def json_object(body: bytes) -> dict[str, Any]:
    """A body as a JSON object; none reads as an empty one. Raises Refused."""
    if not body.strip():
        return {}
    found = parse_json(body)
    if not isinstance(found, dict):
        raise Refused("the body is no JSON object", code="bad-body")
    return found


def parse_json(body: bytes) -> Any:
    """JSON as RFC 8259 has it: UTF-8, no NaN, and text that can be stored. Raises Refused."""
    try:
        found = json.loads(body.decode(), parse_constant=_no_number)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        words = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Refused(f"the body is no JSON: {words}", code="bad-body") from None
    return found


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _refuse_large(request: web.Request, limit: int) -> None:
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    encoding = request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower()
    if encoding != "identity":
        raise Refused(f"Content-Encoding {encoding} is not taken", status=415, code="unsupported-encoding")


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body has more than {limit} bytes")


async def _refuse_before_it_is_sent(request: web.Request) -> None:
    """`Expect: 100-continue`: the body may come; unless its length says already that it is too large."""
    if (request.content_length or 0) <= MOST and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


@web.middleware
async def _answering(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever comes of it is an answer with the request's id."""
    request[REQUEST_ID] = _request_id(request)
    service = request.app[SERVICE]
    try:
        _take(service.by_address, client(request))
        response = await handler(request)
    except (Refused, XeneError, web.HTTPException) as error:
        response = refusals.answer(_refused(service, request, error), request[REQUEST_ID])
    except Exception as error:  # noqa: BLE001 - the boundary: a bug is told to the log, never to who asked
        response = refusals.answer(_bug(service, request, error), request[REQUEST_ID])
    return response


async def _head(request: web.Request, response: web.StreamResponse) -> None:
    """What every answer says: its id, that nobody keeps it, and that its type is what it says."""
    response.headers[REQUEST_ID_HEADER] = request[REQUEST_ID]
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers[hdrs.SERVER] = "xene"


def _request_id(request: web.Request) -> str:
    """The caller's own, where it has a form that may be logged; else a new one."""
    given = request.headers.get(REQUEST_ID_HEADER, "")
    return given if _ID.fullmatch(given) else os.urandom(8).hex()


def _guarded(route: Route) -> Handler:
    """The handler, behind the role that its route wants."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if route.role is not None and not route.guard(request):
            await admit(request, route.role)
        return await route.handle(request)

    return handle


async def admit(request: web.Request, role: str) -> None:
    """Let in who has a token with that role. Raises Unauthorized, Forbidden, TooMany."""
    service = request.app[SERVICE]
    token = await auth.authenticate(service.readers, auth.bearer(request))
    _take(service.by_token, token.name)
    auth.check_role(token, role)
    service.uses.note(token)
    request[TOKEN] = token


def _take(limit: Limit, caller: str) -> None:
    wait = limit.take(caller, time.monotonic())
    if wait > 0.0:
        raise TooMany("too many requests", retry_after=whole_seconds(wait))


def _refused(
    service: Service, request: web.Request, error: Refused | XeneError | web.HTTPException
) -> Refused:
    if isinstance(error, Unauthorized):
        return _held_up(service, request, error)
    if isinstance(error, Refused):
        return error
    if isinstance(error, XeneError):
        refused = refusals.of(error)
        if refused.status >= 500:
            service.say(f"{request.method} {request.path}: {refused.status}: {error.message}")
        return refused
    return _of_aiohttp(request, error)


def _held_up(service: Service, request: web.Request, error: Unauthorized) -> Refused:
    """Who has tried many tokens or signatures in vain is held up; a good one opens at any time."""
    if not any(header in request.headers for header in verify.HEADERS.values()):
        return error
    wait = service.refusals.take(client(request), time.monotonic())
    if wait > 0.0:
        return TooMany("too many tokens that open nothing", retry_after=whole_seconds(wait))
    return error


def _of_aiohttp(request: web.Request, error: web.HTTPException) -> Refused:
    """No such route, a method that it does not have, and what else aiohttp refuses by itself."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allow = ", ".join(sorted(error.allowed_methods))
        words = f"{request.path} takes {allow}"
        return Refused(words, status=405, code="method-not-allowed", headers={"Allow": allow})
    if isinstance(error, web.HTTPNotFound):
        words = f"there is no {request.path}"
        return Refused(words, status=404, code="no-such-route", hint="/v1/openapi.json lists what there is")
    return Refused(error.reason, status=error.status, code="refused")


def _bug(service: Service, request: web.Request, error: Exception) -> Refused:
    """Told in full to the controller's log alone."""
    lines = "".join(traceback.format_exception(error)).rstrip()
    service.say(f"{request.method} {request.path}: a bug in xene (request {request[REQUEST_ID]}): {lines}")
    return Refused("this is a bug in xene", hint="the controller's log has it", status=500, code="internal")
