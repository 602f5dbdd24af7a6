"""`xene token rm`: a token opens nothing any more."""

from __future__ import annotations

from typing import Annotated

import typer

from xene.commands.call import Call


def token_rm(
    call: Call, name: Annotated[str, typer.Argument(metavar="NAME", help="The token's name.")]
) -> int:
    """Take a token of the HTTP API back. The next request with it is refused."""
    from xene.control import tokens
    from xene.control.place import Place

    tokens.remove(Place(call.state, call.home), name)
    call.say(f"token {name} is removed")
    return 0
