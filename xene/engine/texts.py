"""Texts of a manifest that may hold `${{ }}`, and conditions: the door to `expressions`, opened only for those.

To import the language takes longer than a step, and most runs have no expression. Pure.
"""

from __future__ import annotations

from typing import Any, Mapping

OPEN, CLOSE = "${{", "}}"
Scope = Mapping[str, Any]


class ExpressionError(ValueError):
    """`offset` counts characters from the start of the text. `message` is all of it; `problem` and `hint` its two
    halves: what is wrong, and what to write instead (may be empty)."""

    def __init__(self, problem: str, offset: int, hint: str = "") -> None:
        self.message = f"{problem}: {hint}" if hint else problem
        super().__init__(self.message)
        self.problem = problem
        self.hint = hint
        self.offset = offset


def has_template(text: str) -> bool:
    """Whether `text` holds the beginning of a template."""
    return OPEN in text


def render(text: str, scope: Scope) -> str:
    """`text` with every template replaced by the text of its value. Raises ExpressionError."""
    if OPEN not in text:
        return text
    from xene.engine import expressions

    return expressions.render(text, scope)


def value(text: str, scope: Scope) -> Any:
    """The value itself of a text that is one template and nothing else; else like `render`."""
    if OPEN not in text:
        return text
    from xene.engine import expressions

    return expressions.value(text, scope)


def condition(text: str, scope: Scope) -> bool:
    """The value of an expression that must be true or false. Raises ExpressionError."""
    from xene.engine import expressions

    return expressions.condition(text, scope)


def prepare(text: str) -> None:
    """Do ahead what can be done of a condition without its scope; a mistake in it is told when it is asked for."""
    from xene.engine import expressions

    try:
        expressions.parse(text)
    except ExpressionError:
        pass


def as_text(value: Any) -> str:
    """How a value stands in an environment variable or an argument."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if isinstance(value, (list, tuple, Mapping)):
        from xene.engine.values import as_json

        return as_json(value)
    return str(value)
