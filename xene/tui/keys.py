"""The page of all keys of a screen, made from its bindings. Shown by `?`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

from textual import actions
from textual.binding import Binding

from xene.plan.drawing.spans import BOLD, DIM, Line, Span

if TYPE_CHECKING:
    from xene.tui.frame import Frame

NAMES = {
    "question_mark": "?",
    "slash": "/",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "escape": "esc",
}
FOLD = "← →"
COMMON = (
    ("enter", "open what the cursor stands on; a double click does"),
    ("↑ ↓", "move the cursor; PgUp PgDn Home End too"),
    (FOLD, "fold the workflow under the cursor, unfold it"),
    ("ctrl+p", "all commands by name"),
    ("ctrl+z", "to the background; fg brings it back"),
    ("D", "dark or light; ctrl+p has more themes"),
)


def lines(frame: Frame) -> list[Line]:
    """Every key that the screen has, those that apply to what is under the cursor first."""
    offered = {act.key: act for act in frame.offered}
    found: list[Line] = [(Span("here", BOLD),)]
    found += [
        _line(act.key, f"{act.label}   $ {frame.status.line.shown(act.words)}") for act in offered.values()
    ]
    if not offered:
        found.append((Span(f"  {frame.status.read_only or 'nothing can be done to this'}", DIM),))
    found += [(), (Span("always", BOLD),)]
    known = list(bindings(frame))
    found += [_line(name(binding), binding.description) for binding in known]
    folds = any(binding.action == "fold_all" for binding in known)
    found += [_line(key, words) for key, words in COMMON if key != FOLD or folds]
    return found


def name(binding: Binding) -> str:
    """Its key as people write it."""
    return NAMES.get(binding.key, binding.key)


def bindings(frame: Frame) -> Iterator[Binding]:
    """What screens of its kind have, but acts, and what does not apply now."""
    for kind in type(frame).__mro__:
        known = vars(kind).get("BINDINGS", ()) if kind.__module__.startswith("xene.") else ()
        for binding in known:
            _, action, given = actions.parse(binding.action)
            if action not in ("act", "refuse") and frame.check_action(action, given):
                yield binding


def _line(key: str, words: str) -> Line:
    return Span(f"  {key:<8}", "Running"), Span(words)
