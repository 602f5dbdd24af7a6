"""The words of an expression, with their places. Pure; called by `syntax` alone.

One pass over the text, each lexeme matched once. What people write out of habit (`&&`, `!`, `True`, f-strings) is
refused with what to write instead.
"""

from __future__ import annotations

import re
from typing import Any, List, Match, NamedTuple, Tuple

from xene.engine.texts import ExpressionError
from xene.engine.tree import MAX_LENGTH, WORD, written_text

OPEN, CLOSE = "${{", "}}"
SMALLEST, LARGEST = -(2**63), 2**63 - 1

_SPACE = re.compile(r"\s+")
_NUMBER = re.compile(r"[0-9][0-9A-Za-z_.]*(?:(?<=[eE])[+-][0-9]+)?")
_INTEGER = re.compile(r"0|[1-9][0-9]*")
_FLOAT = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r"==|!=|<=|>=|//|[<>+\-*/%()\[\],.]")
_ESCAPED = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "r": "\r", "t": "\t"}

_WRONG = (
    (OPEN, "an expression stands here by itself", "leave '${{' and '}}' out"),
    ("===", "there is no '==='", "write '=='"),
    ("!==", "there is no '!=='", "write '!='"),
    ("&&", "there is no '&&'", "write 'and'"),
    ("||", "there is no '||'", "write 'or'"),
    ("**", "there is no '**'", "write a product with '*'"),
    ("<>", "there is no '<>'", "write '!='"),
    ("<<", "there are no operators on bits", ""),
    (">>", "there are no operators on bits", ""),
    (":=", "nothing can be assigned in an expression", "write '==' to compare"),
    ("=>", "there is no '=>'", "write '>='"),
    ("=<", "there is no '=<'", "write '<='"),
    ("&", "there is no '&'", "write 'and'"),
    ("|", "there is no '|'", "write 'or'"),
    ("?", "there is no '?'", "write 'a if condition else b'"),
    ("{", "objects cannot be written here", "use fromJson('{...}')"),
    ("}", "this '}' closes nothing", ""),
    (":", "there is no ':' in this language", "it has no slices and no objects"),
    ("$", "there is no '$' in this language", "a variable of the environment is env.NAME"),
    ("`", "there is no '`' in this language", "texts stand in ' or \""),
    ("\u2018", "this is a typographic quote", "write '"),
    ("\u2019", "this is a typographic quote", "write '"),
    ("\u201c", "this is a typographic quote", 'write "'),
    ("\u201d", "this is a typographic quote", 'write "'),
    ("#", "there are no comments in an expression", "write it in YAML, on a line of its own"),
    (";", "an expression is one value", "leave ';' out"),
)
_SUSPECT = frozenset(wrong[0] for wrong, _, _ in _WRONG)  # first characters: most tokens begin with others
_ALONE = (("=", "'=' does not compare", "write '=='"), ("!", "there is no '!'", "write 'not'"))

_HABITS = {
    "True": "write 'true'",
    "False": "write 'false'",
    "None": "write 'null'",
    "nil": "write 'null'",
    "undefined": "write 'null'",
    "TRUE": "write 'true'",
    "FALSE": "write 'false'",
    "NULL": "write 'null'",
    "AND": "write 'and'",
    "OR": "write 'or'",
    "NOT": "write 'not'",
    "is": "write '==' or '!='",
    "lambda": "functions cannot be made in an expression",
    "def": "functions cannot be made in an expression",
    "for": "there are no loops: use a matrix, or a step",
    "while": "there are no loops: use a matrix, or a step",
    "await": "leave it out",
    "async": "leave it out",
    "yield": "leave it out",
    "import": "an expression has only the ten functions",
}


class Token(NamedTuple):
    """`kind` is name, key (a name behind a dot), number, text, operator or end."""

    kind: str
    value: Any
    offset: int


def tokens(text: str, at: int = 0, inside: bool = False) -> Tuple[List[Token], int]:
    """The tokens from `at` on, the last one of kind `end`, and the offset behind them. With `inside` a `}}` ends
    them and must be there. Raises ExpressionError, also where there are more than MAX_LENGTH characters."""
    found: List[Token] = []
    start = at = _behind_space(text, at)
    while at < len(text):
        if at - start > MAX_LENGTH:
            raise too_long(start)
        if inside and text.startswith(CLOSE, at):
            found.append(Token("end", CLOSE, at))
            return found, at + len(CLOSE)
        token, at = _next(text, at, bool(found) and found[-1].value == "." and found[-1].kind == "operator")
        found.append(token)
        at = _behind_space(text, at)
    if inside:
        raise ExpressionError(f"'{OPEN}' is not closed by '{CLOSE}'", start)
    found.append(Token("end", "", at))
    return found, at


def too_long(offset: int) -> ExpressionError:
    """The error of an expression that has too many characters."""
    return ExpressionError(f"an expression may have at most {MAX_LENGTH} characters", offset)


def _behind_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _next(text: str, at: int, behind_dot: bool) -> Tuple[Token, int]:
    if behind_dot:
        return _key(text, at)
    match = _IDENTIFIER.match(text, at)
    if match is not None:
        return _name(text, match)
    if text[at] in "'\"":
        return _text(text, at)
    match = _NUMBER.match(text, at)
    if match is not None:
        return Token("number", _number(match.group(), at), at), match.end()
    if text[at] in _SUSPECT:
        _refuse(text, at, _WRONG)
    match = _OPERATOR.match(text, at)
    if match is None:
        _refuse(text, at, _ALONE)
        raise ExpressionError(f"{written_text(text[at])} means nothing here", at)
    return Token("operator", match.group(), at), match.end()


def _refuse(text: str, at: int, table: Tuple[Tuple[str, str, str], ...]) -> None:
    for wrong, problem, hint in table:
        if text.startswith(wrong, at):
            raise ExpressionError(problem, at, hint)


def _key(text: str, at: int) -> Tuple[Token, int]:
    match = WORD.match(text, at)
    if match is None:
        digits = _NUMBER.match(text, at)
        hint = f"write [{digits.group()}]" if digits else "write a.b or a['b']"
        raise ExpressionError("a name is missing here", at, hint)
    key = match.group()
    if key.startswith("__"):
        raise ExpressionError(
            f"values have no attributes, so there is no '{key[:40]}'",
            at,
            "a key of that name is written ['key']",
        )
    return Token("key", key, at), match.end()


def _name(text: str, match: Match[str]) -> Tuple[Token, int]:
    name, end = match.group(), match.end()
    if text[end : end + 1] in ("'", '"'):
        if name.lower() == "f":
            raise ExpressionError("there are no f-texts", match.start(), "write format('{} and {}', a, b)")
        if len(name) <= 2:
            raise ExpressionError(f"a text has no '{name}' before it", match.start(), "write '...' alone")
    if name in _HABITS:
        raise ExpressionError(f"there is no '{name}' in this language", match.start(), _HABITS[name])
    return Token("name", name, match.start()), end


def _number(digits: str, at: int) -> Any:
    if _INTEGER.fullmatch(digits):
        number = int(digits) if len(digits) <= 20 else LARGEST + 2
        if number <= LARGEST + 1:  # one more than there is: the parser lets it stand behind a minus
            return number
        raise ExpressionError("this number is too large", at, f"whole numbers end at {LARGEST}")
    if not _FLOAT.fullmatch(digits):
        raise ExpressionError(
            f"'{digits[:40]}' is no number", at, "write 12, 1.5 or 1e3, and a text in quotes"
        )
    decimal = float(digits)
    if decimal == float("inf"):
        raise ExpressionError("this number is too large", at, "numbers end at 1.8e308")
    return decimal


def _text(text: str, at: int) -> Tuple[Token, int]:
    match = _QUOTED.match(text, at)
    if match is None:
        raise ExpressionError("this text is not closed", at, f"a {text[at]} is missing at its end")
    raw, start = match.group()[1:-1], at + 1
    if "\\" not in raw:
        return Token("text", raw, at), match.end()
    return Token("text", _ESCAPE.sub(lambda found: _unescaped(found, start), raw), at), match.end()


def _unescaped(found: Match[str], start: int) -> str:
    what = found.group(1)
    if len(what) > 1:
        code = int(what[1:], 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise ExpressionError(f"'\\{what}' is no character", start + found.start())
        return chr(code)
    if what not in _ESCAPED:
        raise ExpressionError(
            f"{written_text(found.group())} is no escape", start + found.start(), "write \\\\ for a backslash"
        )
    return _ESCAPED[what]
