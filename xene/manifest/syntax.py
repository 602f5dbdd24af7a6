"""Words for what the YAML parser cannot read. Called by `load`. Pure."""

from __future__ import annotations

from typing import Any

from xene.manifest.nodes import Flaw
from xene.manifest.source import Source

_FLOW = "inside {} and [] a text that holds ':', '?', ',' or '${{' wants quotes"
_WORDS = {
    "mapping values are not allowed in this context": (
        "a ':' may not stand here",
        "a text that holds ': ' wants quotes; or the line is indented too far",
    ),
    "did not find expected key": ("a key is expected here", "the line is indented unlike those around it"),
    "did not find expected '-' indicator": (
        "a list item ('- ...') is expected here",
        "the line is indented unlike the items above",
    ),
    "could not find expected ':'": (
        "a ':' is missing after the key",
        "write 'key: value'; a text of several lines begins with '|'",
    ),
    "found unknown escape character": (
        "no such escape in a text in double quotes",
        "write \\\\ for a backslash, or use single quotes",
    ),
    "found a tab character where an indentation space is expected": ("a tab", "indent with spaces"),
}


def flaw(error: Any, source: Source) -> Flaw:
    """What ruamel's error means, and where."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        position = getattr(error, "position", 0)
        line, column = source.place(min(max(position, 0), len(source.text)))
        return Flaw(line, column, "yaml-syntax", f"this is not YAML: {getattr(error, 'reason', error)}")
    opened = error.context_mark
    if opened is not None and mark.index >= len(source.text.rstrip()) and opened.index < mark.index:
        message = "what is opened here is never closed"
        return Flaw(opened.line, opened.column, "yaml-syntax", message, "close the quotes or brackets")
    message, hint = _in_words(error, source)
    return Flaw(mark.line, mark.column, "yaml-syntax", message, hint)


def _in_words(error: Any, source: Source) -> tuple[str, str]:
    problem, context = str(error.problem), str(error.context or "")
    if "flow" in context or problem == "found unexpected ':'":
        opened = error.context_mark
        where = (
            f" (opened on line {opened.line + 1})"
            if opened and opened.line != error.problem_mark.line
            else ""
        )
        return f"the text between brackets cannot be read here{where}: {problem}", _FLOW
    if "cannot start any token" in problem:
        return _stray(source, error.problem_mark)
    if context in ("while scanning an alias", "while scanning an anchor", "while scanning a tag"):
        return (
            f"this is not YAML: {context}, {problem}",
            "a text that begins with '*', '&' or '!' wants quotes",
        )
    if problem in _WORDS:
        return _WORDS[problem]
    return f"this is not YAML: {context + ', ' if context else ''}{problem}", ""


def _stray(source: Source, mark: Any) -> tuple[str, str]:
    line = source.lines[mark.line] if mark.line < len(source.lines) else ""
    character = line[mark.column : mark.column + 1]
    if character == "\t":
        return "a tab may not indent", "indent with spaces"
    return f"a text may not begin with {character!r}", "put it in quotes"
