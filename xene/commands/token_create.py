"""`xene token create`: what opens the HTTP API to a program."""

from __future__ import annotations

import time
from typing import Annotated, Optional

import typer

from xene.commands import completion, options
from xene.commands.call import Call
from xene.errors import Usage
from xene.model import ids
from xene.store import db
from xene.store.tokens import ROLES, Token


def token_create(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the token is called; for people.")],
    role: Annotated[
        str,
        typer.Option(
            "--role",
            metavar="trigger|read|admin",
            help="trigger: start pipelines; read: see, and read logs; admin: both, and act on runs.",
            autocompletion=lambda: list(ROLES),
        ),
    ],
    scope: Annotated[
        Optional[str],
        typer.Option(
            "--for",
            metavar="WORKFLOW[/PIPELINE]",
            help="Only for this workflow or pipeline.",
            autocompletion=completion.targets,
        ),
    ] = None,
    expires: Annotated[
        Optional[str],
        typer.Option(
            "--expires", metavar="DURATION", help="For how long it opens anything; default: for ever."
        ),
    ] = None,
) -> int:
    """Make a token for the HTTP API, and print it: this once, since the state keeps only a digest of it.

    It goes into the header 'Authorization: Bearer TOKEN'. 'xene token rm' takes it back.
    """
    from xene.control import tokens
    from xene.control.place import Place

    if not ids.is_name(name):
        raise Usage(f"'{name}' cannot name a token: {ids.NAME_RULE}")
    if role not in ROLES:
        raise Usage(f"--role {role} is not known", hint=f"one of {', '.join(ROLES)}")
    _check_scope(scope)
    span, now = options.seconds(expires, "--expires"), time.time()
    if span is not None and span <= 0:
        raise Usage("--expires: it would never open anything")
    token = Token(name, role, scope, now, None if span is None else now + span)
    word = tokens.create(Place(call.state, call.home), token)
    _tell_missing(call, scope)
    call.say(f"token {name}, role {role}{f', for {scope}' if scope else ''}; it is not shown again:")
    call.put(word + "\n")
    return 0


def _check_scope(scope: str | None) -> None:
    if scope is not None and not all(ids.is_name(word) for word in scope.split("/", 1)):
        raise Usage(f"--for {scope}: WORKFLOW or WORKFLOW/PIPELINE is wanted", hint="xene get pipelines")


def _tell_missing(call: Call, scope: str | None) -> None:
    """It may be applied later; more often it is a typo."""
    if scope is None:
        return
    from xene.store import views

    workflow, _, pipeline = scope.partition("/")
    with db.open_for_reading(call.state) as state:
        known = [row["name"] for row in views.pipelines(state, workflow=workflow)]
    if not known or (pipeline and pipeline not in known):
        call.warn(f"there is no {'pipeline' if pipeline else 'workflow'} {scope} yet")
