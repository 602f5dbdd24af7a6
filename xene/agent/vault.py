"""The values of secrets that this daemon was given, by the run they are for. In memory and nowhere else.

Used by the daemon. A value leaves it in a step's environment, and, when newer code takes over by `exec`, through a
pipe to itself. Neither is ever in a file, an argument, the journal or a message.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Dict, List, Mapping, Optional

if TYPE_CHECKING:
    from xene.engine.mask import Needles


class Vault:
    """`key` is a run's id (or a pipeline's key, for what comes with an assignment); names are those of Secrets."""

    def __init__(self) -> None:
        self._values: Dict[str, Dict[str, str]] = {}
        self._needles: Dict[str, Needles] = {}

    def __repr__(self) -> str:
        return f"<Vault of {len(self._values)}>"  # never the values, wherever it may be printed

    def put(self, key: str, values: Mapping[str, str]) -> None:
        """Keep the values by name; what was kept for `key` before is forgotten."""
        self._needles.pop(key, None)
        self._values[key] = dict(values)

    def get(self, key: str) -> Optional[Mapping[str, str]]:
        """The values by name; None where they are not known (any more): `SecretUnavailable`."""
        return self._values.get(key)

    def forget(self, key: str) -> None:
        """Harmless when repeated."""
        self._values.pop(key, None)
        self._needles.pop(key, None)

    def keys(self) -> List[str]:
        """For what values are kept."""
        return list(self._values)

    def needles(self, key: str) -> Needles:
        """What must be masked in all that belongs to `key`; nothing where nothing is kept."""
        from xene.engine.mask import Needles  # most agents never hold a secret

        found = self._needles.get(key)
        if found is None:
            found = self._needles[key] = Needles(self._values.get(key, {}).values())
        return found

    # -- from one version of the code to the next

    def dump(self) -> bytes:
        """All of it, for `load`."""
        return json.dumps(self._values).encode("ascii")

    @staticmethod
    def load(data: bytes) -> Vault:
        """The inverse of `dump`."""
        vault = Vault()
        vault._values = json.loads(data)
        return vault

    def pass_on(self) -> int:
        """A descriptor that survives `exec`, from which `receive` reads all of it. Raises OSError.

        A pipe holds less than a vault may, so a child writes; it ends when all is read or the reader is gone, and
        is reaped like any other child.
        """
        reading, writing = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            raise
        if pid == 0:
            _write_and_exit(self, reading, writing)
        os.close(writing)
        os.set_inheritable(reading, True)
        return reading

    @staticmethod
    def receive(descriptor: int) -> Vault:
        """What `pass_on` gave. Closes the descriptor. Raises OSError and ValueError where it broke off."""
        with open(descriptor, "rb") as pipe:
            return Vault.load(pipe.read())


def _write_and_exit(vault: Vault, reading: int, writing: int) -> None:
    """The life of the child of `pass_on`."""
    from xene.agent.masker import close_all_but, forbid_inspection

    try:
        forbid_inspection()
        os.close(reading)
        close_all_but((writing,))
        view = memoryview(vault.dump())
        while view:
            view = view[os.write(writing, view) :]
    except BaseException:  # noqa: BLE001 the reader sees that it broke off
        pass
    finally:
        os._exit(0)
