"""An artifact on its way to control: one file of the run's artifacts, read by offset as there is room.

One `Fetch` is one request of one client; the client pumps it beside the logs that it follows.
"""

from __future__ import annotations

import os
import stat
from typing import Any, Dict, Iterator, Mapping, Tuple

from xene.wire import messages

PIECE = 256 * 1024  # bytes in a frame


class Fetch:
    """`request` is the client's message of type fetch; `path` is where the artifact is kept."""

    def __init__(self, request: Mapping[str, Any], path: str) -> None:
        self.id = int(request["id"])
        self.finished = False
        self._offset = max(0, int(request["offset"]))
        self._path = path

    def pump(self) -> Iterator[Tuple[Dict[str, Any], bytes]]:
        """The next pieces; the last frame is `fetched`, or `failed` where the file is gone or cannot be read.

        The file is opened for each burst, so that a client that is slow holds no descriptor.
        """
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            yield from self._fail(error)
            return
        try:
            yield from self._pieces(descriptor)
        except OSError as error:
            yield from self._fail(error)
        finally:
            os.close(descriptor)

    def _pieces(self, descriptor: int) -> Iterator[Tuple[Dict[str, Any], bytes]]:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is no file any more")
        while data := os.pread(descriptor, PIECE, self._offset):
            offset = self._offset
            self._offset += len(data)
            yield messages.artifact(self.id, offset, status.st_size), data
        self.finished = True
        yield messages.fetched(self.id, status.st_size), b""

    def _fail(self, error: OSError) -> Iterator[Tuple[Dict[str, Any], bytes]]:
        self.finished = True
        yield messages.failed(self.id, f"the artifact cannot be read: {error.strerror}"), b""
