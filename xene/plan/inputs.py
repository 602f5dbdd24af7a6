"""Params of a pipeline: texts and JSON values in, typed and checked values out.

Called by `plan.fires` (and through it by `run` and `run FILE`). Pure. All that is wrong is told at once. RE2 is
imported only where a param has a pattern, since it costs 20 ms; Python's `re` would let a pattern run for ever.
"""

from __future__ import annotations

from typing import Iterable, Mapping, Sequence

from xene.errors import Usage
from xene.model.param_values import WrongValue, as_text, refused, shown, typed
from xene.model.workflow import Param, Scalar

BAD_PARAMS = "bad-params"  # the code of what is wrong with params, whoever gave them


def parse(items: Iterable[str]) -> dict[str, str]:
    """`-p K=V` items as a mapping. Raises Usage for one without `=` and for one given twice."""
    given: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise Usage(f"-p {item}: a param is given as NAME=VALUE")
        if name in given:
            raise Usage(f"-p {item}: the param {name} is given twice")
        given[name] = value
    return given


def resolve(params: Mapping[str, Param], given: Mapping[str, object]) -> dict[str, Scalar]:
    """The value of every declared param, in the order of declaration.

    A text is read as the param's type (`n=5`); a JSON value must have it. Raises Usage with all problems at once:
    bad values, missing ones, and names that are not declared.
    """
    values, problems = check(params, given)
    raise_problems(problems + unknown(given, params))
    return values


def check(params: Mapping[str, Param], given: Mapping[str, object]) -> tuple[dict[str, Scalar], list[str]]:
    """The values, and what is wrong with those given and those not given. Undeclared names are not looked at."""
    values: dict[str, Scalar] = {}
    problems: list[str] = []
    for name, param in params.items():
        try:
            values[name] = _value(param, given, name)
        except WrongValue as wrong:
            problems.append(f"param {name}: {wrong}")
    return values, problems


def unknown(given: Iterable[str], declared: Iterable[str]) -> list[str]:
    """A problem for each name given that is not declared, with the nearest name that is."""
    names = list(declared)
    return [_unknown(name, names) for name in given if name not in names]


def _unknown(name: str, declared: Sequence[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, declared, 1)
    if near:
        return f"param {name}: no such param; did you mean {near[0]}?"
    known = f"known are {', '.join(declared)}" if declared else "none are declared"
    return f"param {name}: no such param; {known}"


def raise_problems(problems: Sequence[str]) -> None:
    """Raises Usage if there are any."""
    if problems:
        head = f"{len(problems)} params are wrong:\n  " if len(problems) > 1 else ""
        hint = "params are given as -p NAME=VALUE"
        raise Usage(head + "\n  ".join(problems), hint=hint, code=BAD_PARAMS)


def _value(param: Param, given: Mapping[str, object], name: str) -> Scalar:
    if name not in given:
        if param.default is None:
            raise WrongValue(f"required ({_described(param)}), and not given")
        return param.default
    value = typed(param.type, given[name])
    why = refused(param, value)
    if why is not None:
        raise WrongValue(why)
    if param.pattern is not None and not _covers(param.pattern, as_text(value)):
        raise WrongValue(f"{shown(value)} does not match the pattern {param.pattern}")
    return value


def _described(param: Param) -> str:
    if param.enum:
        return f"one of {', '.join(as_text(one) for one in param.enum)}"
    return param.type if param.pattern is None else f"{param.type} matching {param.pattern}"


def _covers(pattern: str, text: str) -> bool:
    """Whether RE2's `pattern` matches the whole of `text`."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.fullmatch(pattern, text, options=options) is not None
    except re2.error:
        raise WrongValue(f"its pattern {pattern} is no RE2 pattern") from None
