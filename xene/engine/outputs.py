"""What a step wrote to `$XENE_OUTPUT`: `name=value` lines and `name<<EOF` blocks. Pure."""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, Mapping, Optional

MAX_BYTES = 1024 * 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


def size(outputs: Mapping[str, Any]) -> int:
    """Bytes of a task's outputs as UTF-8: names and texts, or lists of them in the sum of a matrix."""
    texts = [text for value in outputs.values() for text in (value if isinstance(value, list) else [value])]
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in [*outputs, *texts])


def too_large(outputs: Mapping[str, Any]) -> Optional[str]:
    """Why a task may not publish these; None where it may. One event must hold them all."""
    found = size(outputs)
    if found <= MAX_BYTES:
        return None
    return f"its outputs have {found} bytes, more than {MAX_BYTES}: write large things to files"


def parse_outputs(data: bytes, shown: Callable[[str], str] = str) -> Dict[str, str]:
    """The outputs in `data`; a later one wins. Raises ValueError, naming the line.

    `shown` masks what an error quotes, before it is cut: a part of a secret is not found any more.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"the step wrote {len(data)} bytes of outputs, more than {MAX_BYTES}")
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"the outputs are not UTF-8 (byte {error.start})") from None
    found: Dict[str, str] = {}
    at = 0
    while at < len(lines):
        line, number = lines[at], at + 1
        at += 1
        if not line.strip():
            continue
        name, equals, value = line.partition("=")
        block, arrow, end = line.partition("<<")
        if arrow and "=" not in block:
            name, value, at = block, *_block(lines, at, end, number, shown)
        elif not equals:
            raise ValueError(f"line {number} of the outputs is neither name=value nor name<<EOF")
        if not _NAME.match(name):
            raise ValueError(
                f"line {number} of the outputs has the name {shown(name)[:80]!r}: use letters, digits, _ and -"
            )
        found[name] = value
    return found


def _block(lines: list[str], at: int, end: str, number: int, shown: Callable[[str], str]) -> tuple[str, int]:
    for stop in range(at, len(lines)):
        if lines[stop] == end:
            return "\n".join(lines[at:stop]), stop + 1
    raise ValueError(f"line {number} of the outputs opens a block that no line '{shown(end)[:80]}' closes")
