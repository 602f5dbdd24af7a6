"""What became of an act, as lines: in short for the line below, and whole for who wants to read it. Pure.

Used by the app, which carries acts out, and by the screens that tell of them.
"""

from __future__ import annotations

from typing import Sequence

from xene.model import phases
from xene.model.ids import is_run_id
from xene.plan.drawing.spans import DIM, Line, Span, clean
from xene.tui.commandline import Ran

LONGEST = 160  # characters of a command line that are repeated when something came of it
STARTERS = ("run", "rerun")  # commands that print the ids of the runs that they started


def outcome(line: str, ran: Ran) -> list[Line]:
    """The command, of a long one the beginning, its exit code where it is none of 0, and what it said."""
    head = _head(line if len(line) <= LONGEST else line[:LONGEST] + "…", ran)
    if ran.code == 0:
        remark = _last(ran.err)
        words = clean(f"{ran.out} {remark}" if started(ran) else remark or ran.out)
        return [(*head, Span(f"  {words}"))]
    return [head, *((Span(f"  {clean_indented(each)}"),) for each in complaint(ran).splitlines())]


def complaint(ran: Ran) -> str:
    """What a command that failed said, line by line; never nothing."""
    said = [line.removeprefix("error: ") for line in ran.err.splitlines() if line.strip()]
    return "\n".join(said) or f"exit {ran.code}, without a word"


def whole(line: str, ran: Ran) -> list[Line]:
    """The command, its exit code, and everything that it printed."""
    text = ran.out + ran.err
    return [_head(line, ran), *((Span(f"  {clean_indented(each)}"),) for each in text.splitlines())]


def _head(line: str, ran: Ran) -> Line:
    mark = Span("✓ ", phases.SUCCESS) if ran.code == 0 else Span(f"✗ exit {ran.code} ", phases.ERROR)
    return mark, Span(f"$ {line}", DIM)


def started(ran: Ran) -> Sequence[str]:
    """The ids of the runs that it started."""
    if ran.code != 0 or ran.words[0] not in STARTERS:
        return ()
    return [word for word in ran.out.split() if is_run_id(word)]


def clean_indented(line: str) -> str:
    """A line without anything that steers a terminal; its indent stays."""
    return " " * (len(line) - len(line.lstrip())) + clean(line)


def _last(err: str) -> str:
    """The last remark of a command, where it made any: no hint, and nothing of what it was about to do."""
    said = [line for line in err.splitlines() if line and not line.startswith("hint: ")]
    lines = [line for line in said if not line.endswith(" ...")]
    return lines[-1] if lines else ""
