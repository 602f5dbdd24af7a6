"""The ten functions of the expression language. Pure.

A function is a row in `FUNCTIONS`: how it is written, which types it takes, what it gives, and the Python function
that works on the values. `expressions` calls them, `manifest/expression_types` reads the rows.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from xene.engine.mismatch import (
    ANY,
    BOOLEAN,
    LIST,
    NULL,
    NUMBER,
    OBJECT,
    TEXT,
    Mismatch,
    Side,
    mismatch,
    named,
    shown,
)
from xene.engine.operators import within
from xene.engine.texts import as_text
from xene.engine.tree import Call
from xene.engine.values import (
    MAX_TEXT,
    Refused,
    Spend,
    as_json,
    checked,
    from_json,
    measured,
    too_long,
    type_of,
)

_WHOLE = re.compile(r"[+-]?[0-9]+")
_FIELDS = re.compile(r"\{\{|\}\}|\{([0-9]{0,3})\}|[{}]")


class Function(NamedTuple):
    """`takes`: the types that each argument may have. `least`: arguments that must be there. `more`: any number of
    arguments may follow. `apply` gets the call, the values and `spend`, and raises Refused."""

    usage: str
    takes: Tuple[Tuple[str, ...], ...]
    least: int
    gives: str
    apply: Callable[[Call, List[Any], Spend], Any]
    more: bool = False


def arity_fault(call: Call) -> Optional[Mismatch]:
    """What is wrong with the number of arguments."""
    function, given = FUNCTIONS[call.function], len(call.arguments)
    if given >= function.least and (function.more or given <= len(function.takes)):
        return None
    return Mismatch(f"{call.function}() is given {_counted(given)}", f"write {function.usage}")


def _counted(number: int) -> str:
    return "one argument" if number == 1 else f"{number or 'no'} arguments"


def argument_faults(call: Call, types: List[str]) -> List[Tuple[int, Mismatch]]:
    """What is wrong with the types of the arguments, each with the argument's index."""
    found = []
    for index, (wanted, type_) in enumerate(zip(FUNCTIONS[call.function].takes, types)):
        if wanted and type_ != ANY and type_ not in wanted:
            found.append((index, _argument_fault(call, index, type_)))
    if call.function == "contains" and not found:
        within = mismatch("in", Side(call.arguments[1], types[1]), Side(call.arguments[0], types[0]))
        found += [(1, within)] if within else []
    return found


def _argument_fault(call: Call, index: int, type_: str) -> Mismatch:
    wanted, node = FUNCTIONS[call.function].takes[index], shown(call.arguments[index])
    problem = (
        f"{call.function}() wants {' or '.join([named(type_) for type_ in wanted])} here, not {named(type_)}"
    )
    if type_ == NULL:
        return Mismatch(problem, f"ask before: {node} != null and ...")
    if type_ == TEXT and LIST in wanted:
        return Mismatch(problem, f"write fromJson({node})")
    if type_ == OBJECT and call.function == "contains":
        return Mismatch(problem, f"write 'key' in {node}")
    if call.function == "fromJson" and type_ in (LIST, OBJECT):
        return Mismatch(problem, f"it is one already: write {node}")
    return Mismatch(
        problem, f"write str({node})" if TEXT in wanted else f"write {FUNCTIONS[call.function].usage}"
    )


# -- what they do


def _starts_with(_call: Call, values: List[Any], _spend: Spend) -> bool:
    return bool(values[0].startswith(values[1]))


def _ends_with(_call: Call, values: List[Any], _spend: Spend) -> bool:
    return bool(values[0].endswith(values[1]))


def _to_json(_call: Call, values: List[Any], spend: Spend) -> str:
    return str(checked(as_json(measured(values[0], spend))))


def text_of(value: Any, spend: Spend) -> str:
    """`as_text` of a value that may be of any size. Raises Refused."""
    return str(checked(as_text(measured(value, spend))))


def _from_json(_call: Call, values: List[Any], spend: Spend) -> Any:
    return from_json(values[0], spend)


def _str(_call: Call, values: List[Any], spend: Spend) -> str:
    return text_of(values[0], spend)


def _join(_call: Call, values: List[Any], spend: Spend) -> str:
    separator = values[1] if len(values) > 1 else ","
    texts = [text_of(item, spend) for item in _bounded(values[0], spend)]
    if sum(map(len, texts)) + len(separator) * max(0, len(texts) - 1) > MAX_TEXT:
        raise too_long()
    return str(separator.join(texts))


def _bounded(items: List[Any], spend: Spend) -> List[Any]:
    """The items, when all of them together can be a text."""
    measured(items, spend)
    return items


def _format(_call: Call, values: List[Any], spend: Spend) -> str:
    pattern, texts = values[0], [text_of(value, spend) for value in values[1:]]
    parts: List[str] = []
    at = size = turn = 0
    for field in _FIELDS.finditer(pattern):
        part, turn = _filled(field.group(), field.group(1), texts, turn)
        parts += [pattern[at : field.start()], part]
        at, size = field.end(), size + len(part)
        spend(1)
        if size > MAX_TEXT:
            raise too_long()
    return "".join(parts) + str(pattern[at:])


def _filled(field: str, number: Optional[str], texts: List[str], turn: int) -> Tuple[str, int]:
    """What stands for a field, and which value is next."""
    if number is None:
        if len(field) == 1:
            raise Refused(f"format() fills {{}} and {{0}}, and finds a lone '{field}'", f"write {field * 2}")
        return field[0], turn
    index = int(number) if number else turn
    if index >= len(texts):
        raise Refused(
            f"format() has no value for the {{{index}}}", f"it was given {len(texts)} after the text"
        )
    return texts[index], turn if number else turn + 1


def _len(_call: Call, values: List[Any], _spend: Spend) -> int:
    return len(values[0])


def _int(_call: Call, values: List[Any], _spend: Spend) -> int:
    value = values[0]
    if isinstance(value, str):
        if not _WHOLE.fullmatch(value):
            raise Refused(f"int() wants a whole number, not {_cut(value)}", "digits alone, without blanks")
        return int(value) if len(value) <= 40 else _too_large()
    if isinstance(value, float):
        if value != value // 1:
            raise Refused(f"int() would lose a part of {value}", "write int(x // 1) to round down")
        return int(value)
    return int(value)


def _too_large() -> int:
    raise Refused("this number is too large")


def _cut(value: str) -> str:
    return repr(value if len(value) <= 40 else value[:37] + "...")


def _contains(call: Call, values: List[Any], spend: Spend) -> bool:
    return within(Side(call.arguments[1], type_of(values[1])), values[1], values[0], spend)


FUNCTIONS: Dict[str, Function] = {
    "contains": Function("contains(text or list, part)", ((TEXT, LIST), ()), 2, BOOLEAN, _contains),
    "startsWith": Function("startsWith(text, beginning)", ((TEXT,), (TEXT,)), 2, BOOLEAN, _starts_with),
    "endsWith": Function("endsWith(text, ending)", ((TEXT,), (TEXT,)), 2, BOOLEAN, _ends_with),
    "fromJson": Function("fromJson(text)", ((TEXT,),), 1, ANY, _from_json),
    "toJson": Function("toJson(value)", ((),), 1, TEXT, _to_json),
    "join": Function("join(list, ',')", ((LIST,), (TEXT,)), 1, TEXT, _join),
    "format": Function("format('{} and {}', a, b)", ((TEXT,),), 1, TEXT, _format, more=True),
    "len": Function("len(text, list or object)", ((TEXT, LIST, OBJECT),), 1, NUMBER, _len),
    "int": Function("int(text or number)", ((TEXT, NUMBER),), 1, NUMBER, _int),
    "str": Function("str(value)", ((),), 1, TEXT, _str),
}
