"""The secrets that webhooks are verified with, kept in memory for a moment.

A flood of deliveries must not start a password manager for each. A secret that was changed is seen at the first
delivery that it does not fit, and after `KEPT` seconds anyway.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Callable, NamedTuple

from xene.control.settings import sources
from xene.model.secret import Secret

KEPT = 60.0  # seconds for which a value is taken from memory
AGAIN = 5.0  # seconds between two readings because of deliveries that do not fit


class _Kept(NamedTuple):
    value: bytes
    at: float


class Values:
    """`home` is $XENE_HOME. `clock` is monotonic, in seconds."""

    def __init__(self, home: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._home, self._clock = home, clock
        self._kept: dict[tuple[object, ...], _Kept] = {}
        self._turn = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<Values of {len(self._kept)} secrets>"  # never the values, wherever it may be printed

    async def get(self, secret: Secret, *, older_than: float = KEPT) -> bytes:
        """Its value, read anew if what is kept is older. Raises SecretMissing, NotTrusted, Storage."""
        async with self._turn:
            key = (secret.name, secret.env, secret.file, secret.command, secret.age)
            found = self._kept.get(key)
            if found is None or self._clock() - found.at >= older_than:
                self._kept.pop(key, None)
                value = await asyncio.to_thread(self._read, secret)
                found = self._kept[key] = _Kept(value, self._clock())
        return found.value

    def _read(self, secret: Secret) -> bytes:
        return os.fsencode(sources(self._home).value(secret))
