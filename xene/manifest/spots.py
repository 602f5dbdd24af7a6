"""Where a character of a scalar stands in the file, whatever the scalar's style. Pure. Called by `load`.

YAML joins and unescapes what is written: a plain text over two lines has a blank where the file has a line break.
So the characters of the text that are no blanks are found again one after another.
"""

from __future__ import annotations

import re

from xene.manifest.nodes import Scalar

_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")  # anchor and tag
_BLANKS = re.compile(r"\s*")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([\s\S]))")
_BLANK_ESCAPES = re.compile(r"(?:\s|\\[nrtNLP_ve \t\n])*")
_OPENERS = {'"': 1, "'": 1}


def spot(source: str, node: Scalar, offset: int) -> int | None:
    """The index in `source` of the character at `offset` in the scalar's text; None where it cannot be told."""
    at = _PROPERTIES.match(source, node.mark.index).end()  # type: ignore[union-attr]
    if node.style in ("|", ">"):
        at = source.find("\n", at) + 1
    at += _OPENERS.get(node.style, 0)
    blanks = _BLANK_ESCAPES if node.style == '"' else _BLANKS
    for character in node.text[:offset]:
        if not character.isspace():
            behind = _behind(source, blanks.match(source, at).end(), character, node.style)  # type: ignore[union-attr]
            if behind is None:
                return None
            at = behind
    if offset < len(node.text) and not node.text[offset].isspace():
        at = blanks.match(source, at).end()  # type: ignore[union-attr]
    return at


def _behind(source: str, at: int, character: str, style: str) -> int | None:
    """The index behind `character`, which is written at `at`; None if it is not."""
    if style == '"' and source.startswith("\\", at):
        match = _ESCAPE.match(source, at)
        return match.end() if match and _unescaped(match) == character else None
    if not source.startswith(character, at):
        return None
    return at + (2 if style == "'" and character == "'" else 1)


def _unescaped(match: re.Match[str]) -> str:
    digits = match.group(1) or match.group(2) or match.group(3)
    return chr(int(digits, 16)) if digits else match.group(4)
