"""`xene secret seal`: a value into a Secret manifest that is safe to commit."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from xene.commands.call import Call, may_ask
from xene.errors import Usage
from xene.model import ids
from xene.model.secret import Secret


def secret_seal(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the Secret.")],
) -> int:
    """Encrypt a value for this control host and print a Secret manifest with it, safe to commit.

    Reads the value from stdin, without one newline at its end; on a terminal it asks, and shows nothing.
    """
    from xene.engine.mask import FLOOR
    from xene.manifest import emit
    from xene.model import codec
    from xene.secrets.seal import seal
    from xene.secrets.sources import LARGEST

    if not ids.is_name(name):
        raise Usage(f"'{name}' cannot name a Secret: {ids.NAME_RULE}")
    value = read_value(name)
    if len(value) < FLOOR:
        raise Usage(f"the value is shorter than {FLOOR} characters: it could not be kept out of logs")
    if len(value.encode()) > LARGEST or "\0" in value:
        raise Usage(f"the value is longer than {LARGEST >> 10} KiB, or holds a NUL: encode it, or use a file")
    sealed = Secret(name, age=seal(call.home, value))
    call.put(emit.dump(codec.secret_to_json(sealed)))
    return 0


def read_value(name: str) -> str:
    """The value, from stdin or asked for. Raises Usage."""
    if sys.stdin is not None and sys.stdin.isatty():
        if not may_ask():
            raise Usage("nobody can be asked for the value", hint=f"xene secret seal {name} < FILE")
        import getpass

        return getpass.getpass(f"value of {name}: ", stream=sys.stderr)
    try:
        data = sys.stdin.buffer.read() if sys.stdin is not None else b""
        return data.decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise Usage("the value is not text", hint="encode it, for example with base64") from None
