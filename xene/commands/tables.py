"""Plain aligned columns with upper-case headers, as kubectl prints them; colours only where asked. Pure.

Used by every command that prints a list. Needs no rich.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, NamedTuple, Sequence

from xene.commands.text import one_line

Row = dict[str, Any]  # the JSON of SPEC 4, as `store.views` gives it

RED, GREEN, YELLOW, CYAN, DIM, BOLD = "31", "32", "33", "36", "2", "1"
PHASE_COLORS = {
    "Success": GREEN,
    "Ready": GREEN,
    "Scheduled": GREEN,
    "Error": RED,
    "Unreachable": RED,
    "Untrusted": RED,
    "NotScheduled": RED,
    "NotReady": YELLOW,
    "Unknown": YELLOW,
    "Queued": YELLOW,
    "StartingUp": CYAN,
    "Running": CYAN,
    "ShuttingDown": CYAN,
    "NotExecuted": DIM,
}


class Column(NamedTuple):
    """`value` gives what stands in the cell; None and "" become `-`. `now` is in seconds since 1970."""

    header: str
    value: Callable[[Row, float], Any]


def paint(text: str, color: str, on: bool) -> str:
    """`text` in a colour, if `on`."""
    return f"\x1b[{color}m{text}\x1b[0m" if on and color else text


def phase(text: str, on: bool) -> str:
    """A phase in its colour."""
    return paint(text, PHASE_COLORS.get(text, ""), on)


def render(
    rows: Sequence[Row],
    columns: Sequence[Column],
    now: float,
    *,
    color: bool = False,
    header: bool = True,
    widths: list[int] | None = None,
) -> str:
    """The whole table; with no rows only its header. Every line ends with a newline.

    `widths` are those of a part that was printed before; they grow where this part wants more.
    """
    cells = [[_cell(column.value(row, now)) for column in columns] for row in rows]
    headers = [column.header for column in columns]
    return lay_out(headers, cells, color=color, header=header, widths=widths)


def lay_out(
    headers: Sequence[str],
    cells: Sequence[Sequence[str]],
    *,
    color: bool = False,
    header: bool = True,
    widths: list[int] | None = None,
) -> str:
    """Headers and ready texts as columns, three blanks apart."""
    least = widths or [0] * len(headers)
    lines = ([list(headers)] if header else []) + [list(line) for line in cells]
    wanted = [max([least[at], *(len(line[at]) for line in lines)]) for at in range(len(headers))]
    if widths is not None:
        widths[:] = wanted
    return "".join(_line(line, wanted, color) + "\n" for line in lines)


def _line(line: Sequence[str], widths: Sequence[int], color: bool) -> str:
    padded = [
        phase(text, color) + " " * (width - len(text)) for text, width in zip(line, widths, strict=True)
    ]
    return "   ".join(padded).rstrip()


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    return one_line(str(value))


def fields(pairs: Sequence[tuple[str, Any]], *, color: bool = False, indent: str = "") -> str:
    """`Name:  value` lines with the values aligned; a mapping or list gets a line per item."""
    shown = [(one_line(name), _lines_of(value)) for name, value in pairs]
    width = max((len(name) for name, _ in shown), default=0) + 1
    out = []
    for name, lines in shown:
        head = f"{name}:"
        for line in lines:
            out.append(f"{indent}{head:<{width}}  {phase(line, color)}".rstrip() + "\n")
            head = ""
    return "".join(out)


def word(value: Any) -> str:
    """A value as a manifest and -p write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _lines_of(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [one_line(f"{key}={word(item)}") for key, item in value.items()] or ["-"]
    if isinstance(value, (list, tuple)):
        return [_cell(item) for item in value] or ["-"]
    return [_cell(value)]
