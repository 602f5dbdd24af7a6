"""What is wrong with the templates and expressions of a workflow, place by place. Pure.

Called by `checks` and `tasks`, only for files that hold any. `places` says where they may stand, `reach` what they
may name there, `names` what a name stands for, `scripts` where nothing may be pasted.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, Iterator

from xene.engine.expressions import OPEN, ExpressionError, Template, parse, parse_template
from xene.engine.mismatch import ANY, LIST, TEXT, named, shown
from xene.engine.syntax import Part
from xene.engine.tree import Node
from xene.manifest import places, scripts
from xene.manifest.expression_types import BAD_TYPE, Fault, Inferred, infer, infer_condition
from xene.manifest.findings import Finding, Path
from xene.manifest.names import Names
from xene.manifest.places import Place
from xene.manifest.problems import quoted
from xene.manifest.reach import Reach
from xene.model.pipeline_codec import MATRIX_OPTIONS

_USUAL = "write it like ${{ params.NAME }} or ${{ tasks.TASK.outputs.NAME }}"
_CLOSE = "}}"


def findings(found: Iterable[Place], reach: Callable[[], Reach]) -> Iterator[Finding]:
    """What is wrong at these places. `reach` is asked only where it matters."""
    for place in found:
        if place.sort == places.ARGUMENTS:
            yield from in_arguments(place.value, place.path, reach)
        elif place.sort == places.EXPRESSION:
            yield from in_condition(place, reach())
        elif place.sort == places.SCRIPT:
            what = "a script" if place.key == "run" else quoted(place.key)
            yield scripts.pasted(place.value, place.path, what)
        elif place.sort == places.AXIS:
            yield from in_axis(place, reach())
        else:
            yield from in_value(place.value, place.path, reach())


def in_condition(place: Place, reach: Reach) -> Iterator[Finding]:
    """Check a `when`. An empty one is the schema's affair."""
    if place.value == "":
        return
    try:
        tree = parse(place.value)
    except ExpressionError as error:
        if place.value.lstrip().startswith(OPEN):
            message = f"{quoted(place.key)} is an expression already: it takes no template"
            hint = "write it without the braces, like params.level == 'full'"
            yield Finding(place.path, "bad-template", message, hint, nth=0)
        else:
            yield Finding(place.path, "bad-expression", error.problem, error.hint, offset=error.offset)
        return
    yield from _told(infer_condition, tree, place.path, reach)


def in_value(text: str, path: Path, reach: Reach) -> Iterator[Finding]:
    """Check a text with templates."""
    parts = _parts(text, path)
    if isinstance(parts, Finding):
        yield parts
        return
    for part in parts:
        if isinstance(part, Template):
            yield from _told(infer, part.tree, path, reach)


def in_axis(place: Place, reach: Reach) -> Iterator[Finding]:
    """Check an axis of a matrix: one template that gives a list. What is no template at all the schema refuses."""
    text, path = place.value, place.path
    if not text.strip().startswith(OPEN) or not text.strip().endswith(_CLOSE):
        return
    parts = _parts(text, path)
    if isinstance(parts, Finding):
        yield parts
        return
    trees = [part.tree for part in parts if isinstance(part, Template)]
    if len(parts) > 1:
        message = f"{quoted(place.key)} must be one template that gives a list, and nothing else"
        hint = "leave out the blanks around it" if len(trees) == 1 and text != text.strip() else ""
        yield Finding(path, "bad-template", message, hint, nth=1 if len(trees) > 1 else 0)
        return
    faults = list(_told(infer, trees[0], path, reach))
    type_ = infer(trees[0], Names(reach)).type
    if not faults and type_ not in (LIST, ANY):
        hint = f"write fromJson({shown(trees[0])})" if type_ == TEXT else "for example ['a', 'b']"
        message = f"{quoted(place.key)} wants a list of values, not {named(type_)}"
        faults = [Finding(path, BAD_TYPE, message, hint, offset=trees[0].offset)]
    yield from faults


def in_arguments(arguments: list[Any], path: Path, reach: Callable[[], Reach]) -> Iterator[Finding]:
    """Check all of `exec`: no template may be the script of a shell, nor a part of an argument."""
    for index, text in enumerate(arguments):
        if not isinstance(text, str) or OPEN not in text:
            continue
        if scripts.is_script(arguments, index):
            yield scripts.pasted(text, (*path, index), "a script")
            continue
        parts = _parts(text, path)
        if not isinstance(parts, Finding) and len(parts) > 1:
            yield scripts.half_argument((*path, index))
        else:
            yield from in_value(text, (*path, index), reach())


def misplaced(data: Any) -> list[Finding]:
    """Templates in texts that nobody renders: names, labels, descriptions and all the rest."""
    found: list[Finding] = []
    _gather(data, (), found)
    return found


def _gather(value: Any, path: Path, found: list[Finding]) -> None:
    """Add what is misplaced in a mapping or a list, at whatever depth."""
    keys = places.keys_at(path)
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(inner, str):
            if (
                OPEN in inner
                and key not in keys
                and not (places.ANY_AXIS in keys and key not in MATRIX_OPTIONS)
            ):
                found.append(scripts.elsewhere((*path, key)))
        elif isinstance(inner, (dict, list)) and key not in keys:
            _gather(inner, (*path, key), found)


def _parts(text: str, path: Path) -> tuple[Part, ...] | Finding:
    try:
        return parse_template(text)
    except ExpressionError as error:
        offset = _opening(text, error.offset)
        return Finding(path, "bad-template", error.problem, error.hint or _USUAL, offset=offset)


def _opening(text: str, offset: int) -> int:
    """The braces, where it is the first thing behind them that is wrong; else `offset`."""
    start = text.rfind(OPEN, 0, offset + len(OPEN))
    return start if start >= 0 and not text[start + len(OPEN) : offset].strip() else offset


def _told(
    judge: Callable[[Node, Names], Inferred], tree: Node, path: Path, reach: Reach
) -> Iterator[Finding]:
    """The faults of one tree as findings, in the order in which they are written."""
    names = Names(reach)
    faults: list[Fault] = [*judge(tree, names).faults, *names.more]
    for fault in sorted(dict.fromkeys(faults), key=lambda fault: fault.offset):
        yield Finding(path, fault.code, fault.message, fault.hint, offset=fault.offset)
