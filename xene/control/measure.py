"""What a controller measures of itself: seconds, by name. Whoever counts them (metrics) adds itself as a sink.

Called by `control.daemon`, `control.passes` and, through `daemon.Context`, by companions. It keeps
nothing: without a sink a measurement costs a look at an empty list.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import Callable, Iterator

PASS = "pass"  # passes until nothing follows any more
APPLY = "apply"  # one look at the directory, or at git

Sink = Callable[[str, float], None]  # a name and seconds; called on whatever thread measured


class Measure:
    """`measure(name, seconds)` tells all sinks. Sinks must be quick, raise nothing and be safe on any thread."""

    def __init__(self) -> None:
        self._sinks: tuple[Sink, ...] = ()

    def add(self, sink: Sink) -> None:
        """Tell this one too, from now on."""
        self._sinks = (*self._sinks, sink)

    def __call__(self, name: str, seconds: float) -> None:
        for sink in self._sinks:
            sink(name, seconds)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Measure the block, however it ends."""
        began = time.monotonic()
        try:
            yield
        finally:
            self(name, time.monotonic() - began)
