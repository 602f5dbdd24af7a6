"""Frames on the channel between control host and agent. Pure.

A frame is a 4-byte big-endian length, then that many bytes: one line of JSON (an object), `\\n`, and an
optional blob of raw bytes (a piece of a log). JSON never holds a raw newline, so the first one ends it.
Before the first frame the agent's side prints `MARKER`, so that whatever a login shell says does no harm.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Dict, Iterator, List, Tuple

from xene.errors import Garbled

MARKER = b"\nXENE-AGENT-1\n"
MAX_FRAME = 16 * 1024 * 1024
MAX_DEPTH = 64  # of objects and lists in each other: more would exhaust the stack of whoever shows it
HEARD_HEAD = 8 * 1024 * 1024  # bytes of JSON that control takes from an agent; as values 30 times as much
_LENGTH = struct.Struct(">I")

Message = Dict[str, Any]


def encode(message: Message, blob: bytes = b"") -> bytes:
    """One frame. Raises Garbled if it would pass `MAX_FRAME`."""
    head = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogateescape")
    size = len(head) + 1 + len(blob)
    if size > MAX_FRAME:
        raise Garbled(f"a frame of {size} bytes is larger than {MAX_FRAME}")
    return b"".join((_LENGTH.pack(size), head, b"\n", blob))


class Decoder:
    """Bytes in, as they come; whole frames out."""

    def __init__(self, max_head: int = MAX_FRAME) -> None:
        self._buffer = bytearray()
        self._max_head = max_head

    def feed(self, data: bytes) -> Iterator[Tuple[Message, bytes]]:
        """Yield every (message, blob) that is complete. Raises Garbled for what is no frame."""
        self._buffer += data
        while len(self._buffer) >= 4:
            (size,) = _LENGTH.unpack_from(self._buffer)
            if not 2 <= size <= MAX_FRAME:
                raise Garbled(f"a frame claims {size} bytes")
            if len(self._buffer) < 4 + size:
                return
            body = bytes(self._buffer[4 : 4 + size])
            del self._buffer[: 4 + size]
            yield _parse(body, self._max_head)


def _parse(body: bytes, max_head: int) -> Tuple[Message, bytes]:
    head, newline, blob = body.partition(b"\n")
    if not newline:
        raise Garbled("a frame has no end of its head")
    if len(head) > max_head:
        raise Garbled(f"a frame's head has {len(head)} bytes, more than {max_head}")
    try:
        message = json.loads(head.decode("utf-8", "surrogateescape"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Garbled(f"a frame's head is not JSON: {type(error).__name__}") from None
    if not isinstance(message, dict):
        raise Garbled("a frame's head is not an object")
    if _is_deep(message):
        raise Garbled(f"a frame's head is nested more than {MAX_DEPTH} deep")
    return message, blob


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _is_deep(message: Message) -> bool:
    """Level by level, not by recursion: that is what it guards against."""
    level: List[Any] = [message]
    for _ in range(MAX_DEPTH):
        level = [
            value
            for each in level
            for value in (each.values() if isinstance(each, dict) else each)
            if isinstance(value, (dict, list))
        ]
        if not level:
            return False
    return True
