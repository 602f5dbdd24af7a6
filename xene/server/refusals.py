"""Errors as answers: which status, and JSON with a code for programs, words and a hint for people.

Raised by whatever handles a request, and made an answer in one place (`app`). Errors of the tree in `xene.errors`
have their status here too, so that a handler raises the same error as a command does.
"""

from __future__ import annotations

from typing import Any, Mapping

from aiohttp import web

from xene import errors
from xene.errors import XeneError
from xene.plan.inputs import BAD_PARAMS


class Refused(Exception):
    """A request that is refused: `status`, `code`, words, a hint, headers. `close`: the connection goes with it."""

    status, code, close = 400, "bad-request", False

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str = "",
        status: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint
        self.code, self.status = code or self.code, status or self.status
        self.headers = dict(headers or {})


class Unauthorized(Refused):
    """No token, or none that opens anything."""

    status, code = 401, "unauthorized"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint, headers={"WWW-Authenticate": 'Bearer realm="xene"'})


class Forbidden(Refused):
    """A token that may not do this."""

    status, code = 403, "forbidden"


class TooLarge(Refused):
    """A body over the limit; what is left of it is not read."""

    status, code, close = 413, "too-large", True


class TooSlow(Refused):
    """A body that does not come."""

    status, code, close = 408, "too-slow", True


class TooMany(Refused):
    """Over the rate limit. `retry_after` is in seconds."""

    status, code = 429, "too-many-requests"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after)})


class Busy(Refused):
    """It cannot be done now, and nothing of it was. `retry_after` is in seconds."""

    status, code = 503, "busy"

    def __init__(self, message: str, *, retry_after: int, hint: str = "", code: str = "") -> None:
        super().__init__(message, hint=hint, code=code, headers={"Retry-After": str(retry_after)})


_STATUS: tuple[tuple[type[XeneError], int], ...] = (
    (errors.Usage, 400),
    (errors.InvalidManifest, 400),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.Unplaceable, 503),
    (errors.Unreachable, 503),
    (errors.TimedOut, 503),
    (errors.NotTrusted, 503),  # a file of the control host, which the caller cannot mend
    (errors.Storage, 503),
)
# Where the hint of an error is about a command line, by its code.
_HINTS = {BAD_PARAMS: 'in the body: {"params": {"NAME": VALUE}}; for a trigger: params in its manifest'}
AGAIN = 5  # seconds after which an answer 503 is worth another try


def of(error: XeneError) -> Refused:
    """The answer to an error of the tree; what is not known there is a bug, 500."""
    for kind, status in _STATUS:
        if isinstance(error, kind):
            headers = {"Retry-After": str(AGAIN)} if status == 503 else {}
            hint = _HINTS.get(error.code, error.hint)
            return Refused(error.message, hint=hint, code=error.code, status=status, headers=headers)
    return Refused(error.message, hint=error.hint, code=error.code, status=500)


def answer(refused: Refused, request_id: str) -> web.Response:
    """`{error, code, hint, requestId}`."""
    body: dict[str, Any] = {"error": refused.message, "code": refused.code}
    body |= {"hint": refused.hint or None, "requestId": request_id}
    response = web.json_response(body, status=refused.status, headers=refused.headers)
    if refused.close:
        response.force_close()
    return response
