"""Showing runs while they run: a live tree on a terminal, plain lines elsewhere; both on stderr.

Given to whatever drives a run (`run`, `run FILE`): it calls `moved` with a run's JSON and `said` with pieces of
its logs. A step's output is prefixed by `task/step | `, and by its pipeline where there are several runs.
"""

from __future__ import annotations

import shutil
import sys
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, Mapping, Protocol

from xene.commands import progress
from xene.commands.call import Call
from xene.commands.speech import for_terminal
from xene.commands.tables import DIM, PHASE_COLORS, Row, paint
from xene.commands.text import one_line, printable
from xene.plan.speech import Lines, Source

if TYPE_CHECKING:
    from rich.live import Live


class Show(Protocol):
    """What a driver calls while it follows."""

    def moved(self, run: Row) -> None: ...

    def said(self, source: tuple[str, str, str, int], data: bytes) -> None: ...

    def print(self, line: str) -> None: ...

    def close(self) -> None: ...


class Plain:
    """Lines as things happen, for a stderr that is no terminal (and with `quiet`: nothing but a step's words)."""

    def __init__(self, call: Call, pipelines: Mapping[str, str] | None = None) -> None:
        self.call = call
        self.pipelines = dict(
            pipelines or {}
        )  # of each run, as far as known: its words may come before it does
        self.runs: dict[str, Row] = {}
        self.lines = Lines()

    def moved(self, run: Row) -> None:
        for line in progress.changes(self.runs.get(run["id"]), run, time.time()):
            self.print(line)
        self.put(run)

    def put(self, run: Row) -> None:
        self.runs[run["id"]] = run
        self.pipelines[run["id"]] = run["pipeline"]

    def said(self, source: tuple[str, str, str, int], data: bytes) -> None:
        words = Source(*source)
        for whose, line in self.lines.ended_by(words, live=True):
            self.print(self.prefix(whose) + for_terminal(line))
        for line in self.lines.feed(words, data):
            self.print(self.prefix(words) + for_terminal(line))

    def prefix(self, source: Source) -> str:
        """`task/step | `, with the pipeline before it where there are several runs."""
        known = len(self.pipelines) > 1 and source.run in self.pipelines
        whose = f"{self.pipelines[source.run]}:" if known else ""
        return paint(f"{whose}{one_line(source.name)} | ", DIM, self.call.color(sys.stderr))

    def print(self, line: str) -> None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def close(self) -> None:
        for source, line in self.lines.rest():
            self.print(self.prefix(source) + for_terminal(line))


class Tree(Plain):
    """A tree of tasks at the foot of the terminal, logs above it.

    rich (70 ms) is imported at the first move: by then the runs have been handed over.
    """

    REFRESH = 0.1  # seconds between two pictures

    @cached_property
    def live(self) -> Live:
        """The picture, once it has been put up."""
        from rich.console import Console
        from rich.live import Live

        console = Console(
            stderr=True, no_color=not self.call.color(sys.stderr), highlight=False, emoji=False, markup=False
        )
        live = Live(
            get_renderable=self.picture,
            console=console,
            refresh_per_second=1 / self.REFRESH,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        live.start()
        return live

    def moved(self, run: Row) -> None:
        self.put(run)
        _ = self.live

    def picture(self) -> Any:
        """What stands at the foot now. Called by rich's own thread: it only reads."""
        from rich.text import Text

        room = max(4, shutil.get_terminal_size().lines - 2)
        text = Text(no_wrap=True, overflow="ellipsis", end="")
        for line in progress.tree(list(self.runs.values()), time.time(), room)[:room]:
            text.append("  " * line.depth)
            text.append(progress.MARKS.get(line.phase, " "), style=_STYLES.get(line.phase, ""))
            text.append(f" {printable(line.text)}\n")
        return text

    def print(self, line: str) -> None:
        from rich.text import Text

        self.live.console.print(Text.from_ansi(line), soft_wrap=True)

    def close(self) -> None:
        super().close()
        if "live" in self.__dict__:
            self.live.stop()


_NAMES = {"31": "red", "32": "green", "33": "yellow", "36": "cyan", "2": "dim"}
_STYLES = {phase: _NAMES[code] for phase, code in PHASE_COLORS.items()}


def show(call: Call, pipelines: Mapping[str, str] | None = None) -> Show:
    """What fits stderr: a tree on a terminal, else lines. `pipelines`: those of the runs that are to come."""
    kind = Tree if sys.stderr.isatty() and not call.quiet else Plain
    return kind(call, pipelines)
