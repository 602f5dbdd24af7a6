"""Values encrypted with age for this control host, and opened again. The only user of `pyrage`, loaded late."""

from __future__ import annotations

import os
from typing import Any

from xene.errors import NotTrusted
from xene.secrets import private

IDENTITY = "identity.age"  # in $XENE_HOME, 0600: whoever has it reads all that was sealed for it
_KEY = "AGE-SECRET-KEY-1"


class NotOpened(Exception):
    """Why a sealed text could not be opened, in words that hold nothing of it."""


def seal(home: str, value: str) -> str:
    """`value` as armoured age text that only the identity of `home` opens; made on first use.

    Raises NotTrusted and Storage.
    """
    import pyrage

    recipient = _identities(home, create=True)[0].to_public()
    sealed: bytes = pyrage.encrypt(value.encode(), [recipient], armored=True)
    return sealed.decode("ascii")


def unseal(home: str, armour: str) -> bytes:
    """The inverse of `seal`. Raises NotOpened, NotTrusted, Storage."""
    import pyrage

    identities = _identities(home, create=False)
    if not identities:
        raise NotOpened(f"there is no {os.path.join(home, IDENTITY)} on this host to open it with")
    try:
        opened: bytes = pyrage.decrypt(armour.strip().encode() + b"\n", identities)
    except pyrage.DecryptError as error:
        raise NotOpened(f"it cannot be opened with {os.path.join(home, IDENTITY)}: {error}") from None
    return opened


def _identities(home: str, create: bool) -> list[Any]:
    import pyrage

    path = os.path.join(home, IDENTITY)
    data = private.read(path)
    if data is None and create:
        new = pyrage.x25519.Identity.generate()
        private.make(path, f"# public key: {new.to_public()}\n{new}\n".encode())
        data = private.read(path)
    lines = [line.strip() for line in (data or b"").decode("utf-8", "replace").splitlines()]
    try:
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line.startswith(_KEY)]
    except pyrage.IdentityError:
        found = []
    if data is not None and not found:
        raise NotTrusted(f"{path} holds no age identity", hint="put the right one there, or move it away")
    return found
