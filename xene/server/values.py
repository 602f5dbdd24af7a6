"""The secrets that webhooks are verified with, kept in memory for a moment.

A flood of deliveries must not start a password manager for each, nor fill the log. A secret that was changed is
seen at the first delivery that it does not fit, and after `KEPT` seconds anyway; one that cannot be had is asked
for again after `AGAIN` seconds. Slow ones hold up nobody but those who want them.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field
from typing import Callable

from xene.control.settings import sources
from xene.errors import XeneError
from xene.model.secret import Secret
from xene.secrets.sources import SecretMissing

KEPT = 60.0  # seconds for which a value is taken from memory
AGAIN = (
    5.0  # seconds between two readings because of deliveries that do not fit, or of a secret that is missing
)


@dataclass
class _Place:
    """What is kept of one secret: its value, None where it could not be had, read at `at` as `secret` says."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    secret: Secret | None = None
    value: bytes | None = field(default=None, repr=False)
    at: float | None = None


class Values:
    """`home` is $XENE_HOME. `say` writes a line of the controller's log; `clock` is monotonic, in seconds."""

    def __init__(
        self, home: str, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._home, self._say, self._clock = home, say, clock
        self._places: dict[str, _Place] = {}

    def __repr__(self) -> str:
        return f"<Values of {len(self._places)} secrets>"  # never the values, wherever it may be printed

    async def get(self, name: str, secret: Secret | None, *, older_than: float = KEPT) -> bytes | None:
        """The value of the secret of that name, read anew if what is kept is older than so many seconds.

        None where it cannot be had; why is told to the log alone. `secret` None: there is no such object.
        """
        place = self._places.setdefault(name, _Place())
        async with place.turn:
            limit = AGAIN if place.value is None else older_than
            if place.at is None or place.secret != secret or self._clock() - place.at >= limit:
                place.value = None
                place.value = await asyncio.to_thread(self._read, name, secret)
                place.secret, place.at = secret, self._clock()
            return place.value

    def _read(self, name: str, secret: Secret | None) -> bytes | None:
        try:
            if secret is None:
                raise SecretMissing(f"there is no Secret {name}", hint="declare it, and apply it")
            return os.fsencode(sources(self._home).value(secret))
        except XeneError as error:
            self._say(
                f"webhooks cannot be verified: {error.message}" + (f"; {error.hint}" if error.hint else "")
            )
            return None
