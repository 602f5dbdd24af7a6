"""Empty files made ahead: to create one takes a journalling file system up to 0.3 ms, to rename one 0.02 ms.

They are made while a step runs and the loop would only wait, and become the logs of the steps that follow.
"""

from __future__ import annotations

import os

KEPT = 8


class Spares:
    """A stock of empty files in `path`, where they will be wanted. With an empty stock nothing breaks."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._stock: list[str] = []
        self._made = 0
        os.makedirs(path, mode=0o700, exist_ok=True)
        for name in os.listdir(path):
            os.unlink(os.path.join(path, name))

    def give(self, path: str) -> None:
        """Let `path` be an empty file, if there is a spare one and nothing stands there yet."""
        if self._stock and not os.path.lexists(path):
            try:
                os.rename(self._stock.pop(), path)
            except OSError:
                self._stock.clear()  # somebody tidied up: whoever wants the file makes it

    def refill(self) -> None:
        """Make what is missing. A full disk is told where a file is really needed."""
        try:
            while len(self._stock) < KEPT:
                self._made += 1
                spare = f"{self._path}/{self._made}"
                os.close(os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
                self._stock.append(spare)
        except OSError:
            return
