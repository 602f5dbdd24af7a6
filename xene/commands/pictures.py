"""Lines of styled spans (`plan.drawing`) on stdout: colours where it takes them, plain ASCII where it has no boxes.

Used by `graph` and `timeline`.
"""

from __future__ import annotations

import shutil
import sys
from typing import Sequence

from xene.commands.call import Call
from xene.commands.tables import BOLD, DIM, PHASE_COLORS, paint
from xene.plan.drawing import spans
from xene.plan.drawing.spans import Line

_STYLES = {**PHASE_COLORS, spans.DIM: DIM, spans.BOLD: BOLD}


def width() -> int:
    """Columns of the terminal; $COLUMNS, else 80, where there is none."""
    return shutil.get_terminal_size((80, 24)).columns


def put(call: Call, lines: Sequence[Line]) -> None:
    """Write the lines."""
    color = call.color()
    text = "".join(f"{painted(line, color)}\n" for line in lines)
    call.put(fitting(text, sys.stdout.encoding or "ascii"))


def painted(line: Line, color: bool) -> str:
    """A line as text."""
    return "".join(paint(span.text, _STYLES.get(span.style, ""), color) for span in line).rstrip()


def fitting(text: str, encoding: str) -> str:
    """`text` as it is where it can be encoded, else with its boxes and marks in ASCII."""
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return text.translate(spans.TO_ASCII)
    return text
