"""Where `${{ }}` may stand in a workflow, and whether what it names is there. Pure.

Called by `checks`, only for files that hold a template at all. Nothing is ever pasted into a script: a template
in `run` or `shell` is a problem, and in `exec` it fills a whole argument.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Iterator, Mapping

from xene.engine.expressions import OPEN, ExpressionError, Template, parse_template
from xene.engine.tree import Name
from xene.manifest import later, places
from xene.manifest.findings import Finding, Path
from xene.manifest.graph import Upstream
from xene.manifest.places import Place
from xene.manifest.problems import closest, did_you_mean, listed, quoted

_SHELLS = ("sh", "bash", "dash", "ash", "ksh", "zsh")
_SCRIPT_OPTION = re.compile(r"-[A-Za-z]*c\Z")
_REFERENCE = re.compile(r"\$\{\{\s*([A-Za-z_][\w.\-\[\]']*)\s*\}\}")
_TAKEN = ("HOME", "IFS", "LANG", "PATH", "SHELL", "TMPDIR", "TZ", "USER")
_USUAL = "write it like ${{ params.NAME }} or ${{ tasks.TASK.outputs.NAME }}"
_ROOTS = ("params", "tasks", "matrix", "run", "agent")


@dataclass(frozen=True)
class Reach:
    """What a template at some place may name. `outputs` None: no tasks; `where` is said when it asks for them."""

    params: frozenset[str]
    where: str
    outputs: Mapping[str, tuple[str, ...]] | None = None
    upstream: Upstream | None = None
    task: str = ""
    shared_params: bool = False  # whether they are only those that every pipeline declares
    axes: frozenset[str] = frozenset()  # of the task's matrix
    in_finally: bool = False


def findings(found: Iterator[Place], reach: Reach) -> Iterator[Finding]:
    """What is wrong with the templates at these places."""
    for place in found:
        if place.sort == places.ARGUMENTS:
            yield from in_arguments(place.value, place.path, reach)
        elif OPEN not in place.value:
            continue
        elif place.sort == places.SCRIPT:
            what = "a script" if place.key == "run" else quoted(place.key)
            yield in_script(place.value, place.path, what)
        elif place.sort == places.EXPRESSION:
            yield _in_expression(place)
        elif place.sort != places.AXIS:  # which is not looked into yet
            yield from in_value(place.value, place.path, reach)


def _in_expression(place: Place) -> Finding:
    message = f"{quoted(place.key)} is an expression already: it takes no template"
    hint = "write it without the braces, like params.level == 'full'"
    return Finding(place.path, "bad-template", message, hint, nth=0)


def in_value(text: Any, path: Path, reach: Reach) -> Iterator[Finding]:
    """Check the templates of an env value or a workDir."""
    if not isinstance(text, str) or OPEN not in text:
        return
    try:
        parts = parse_template(text)
    except ExpressionError as error:
        nth = text.count(OPEN, 0, error.offset + 1) - 1
        yield Finding(path, "bad-template", error.problem, error.hint or _USUAL, nth=max(0, nth))
        return
    for nth, template in enumerate(part for part in parts if isinstance(part, Template)):
        for finding in _names(template, path, reach):
            yield finding._replace(nth=nth)


def _names(template: Template, path: Path, reach: Reach) -> Iterator[Finding]:
    """Check a template that is one name, with keys that are written out; others are not checked, so not taken."""
    tree = template.tree
    keys = [key for key in tree.keys if isinstance(key, str)] if isinstance(tree, Name) else []
    if not isinstance(tree, Name) or len(keys) != len(tree.keys):
        message = f"only a name is allowed here, not {quoted(template.text)}"
        yield Finding(
            path, "bad-template", message, "operators and functions are not in this version of Xene yet"
        )
        return
    yield from _reference((tree.root, *keys), template.text, path, reach)


def in_argument(text: Any, path: Path, reach: Reach) -> Iterator[Finding]:
    """Check an argument of `exec`: one template and nothing else, or none."""
    if not isinstance(text, str) or OPEN not in text:
        return
    try:
        parts = parse_template(text)
    except ExpressionError:
        parts = ()
    if len(parts) > 1:
        message = "in 'exec' a template must be a whole argument"
        yield Finding(
            path, "bad-template", message, "make it an argument of its own, or build the text in 'env'", nth=0
        )
    else:
        yield from in_value(text, path, reach)


def in_arguments(arguments: list[Any], path: Path, reach: Reach) -> Iterator[Finding]:
    """Check all of `exec`: no template may be the script of a shell."""
    program = str(arguments[0]).rpartition("/")[2] if arguments else ""
    for index, text in enumerate(arguments):
        before = arguments[index - 1] if index else ""
        pasted = program in _SHELLS and isinstance(before, str) and _SCRIPT_OPTION.match(before)
        if pasted and isinstance(text, str) and OPEN in text:
            yield in_script(text, (*path, index), "a script")
        else:
            yield from in_argument(text, (*path, index), reach)


def in_script(text: str, path: Path, where: str) -> Finding:
    """The problem of a template in `run` or `shell`, with the way to write it."""
    match = _REFERENCE.search(text)
    name = match.group(1) if match else "params.NAME"
    variable = re.sub(r"[^A-Za-z0-9]+", "_", name.rpartition(".")[2]).strip("_").upper() or "VALUE"
    variable = variable if not variable[0].isdigit() else "V_" + variable
    variable = variable + "_VALUE" if variable in _TAKEN else variable
    hint = (
        f'put it into the environment, env: {{{variable}: "${{{{ {name} }}}}"}}, and write "${variable}" here'
    )
    return Finding(
        path, "pasted-into-script", f"nothing is pasted into {where}: data would become code", hint, nth=0
    )


def elsewhere(path: Path) -> Finding:
    """The problem of a template at a place where none is rendered."""
    name = next((key for key in reversed(path) if isinstance(key, str)), "")
    message = f"a template is not allowed in {quoted(name)}"
    hint = "templates may stand in env, workDir, exec, an image, an approval's message, and as an axis of a matrix"
    return Finding(path, "bad-template", message, hint, nth=0)


# -- what a template names


def _reference(name: tuple[str, ...], written: str, path: Path, reach: Reach) -> Iterator[Finding]:
    root, rest = name[0], name[1:]
    if root == "params":
        yield from _param(rest, path, reach)
    elif root == "tasks":
        yield from _output(rest, path, reach)
    elif root == "run":
        yield from _run(rest, path, reach)
    elif root == "matrix":
        yield from _axis(rest, path, reach)
    elif root == "agent":
        if len(rest) != 2 or rest[0] != "labels":
            yield from _fixed("agent", rest, path, ("name", "labels.KEY"), ())
    elif root in later.REFERENCES:
        yield Finding(path, "not-yet", f"{quoted(root)} in templates {later.NOT_YET}")
    else:
        near = closest(root, _ROOTS)
        meant = near and ".".join((near, *rest))
        hint = f"did you mean {quoted(meant)}?" if meant else f"a name begins with {listed(_ROOTS, 'or')}"
        yield Finding(path, "unknown-reference", f"there is no {quoted(written)}", hint)


def _run(rest: Path, path: Path, reach: Reach) -> Iterator[Finding]:
    if rest == ("outcome",) and not reach.in_finally:
        message = "'run.outcome' is there only in 'finally', when all other tasks have ended"
        yield Finding(path, "unknown-reference", message)
    else:
        yield from _fixed("run", rest, path, ("id", "outcome") if reach.in_finally else ("id",), ())


def _axis(rest: Path, path: Path, reach: Reach) -> Iterator[Finding]:
    if len(rest) == 1 and rest[0] in reach.axes:
        return
    if not reach.axes:
        message, hint = "there is no matrix here", "the steps and the env of a task with a 'matrix' have one"
    else:
        message = f"the matrix has no axis {quoted('.'.join(rest))}"
        hint = did_you_mean(".".join(rest), reach.axes)
    yield Finding(path, "unknown-reference", message, hint)


def _fixed(root: str, rest: Path, path: Path, known: Path, soon: Path) -> Iterator[Finding]:
    name = ".".join(rest)
    if name in known and "." not in name:
        return
    if name in soon:
        yield Finding(path, "not-yet", f"{quoted(f'{root}.{name}')} {later.NOT_YET}")
        return
    options = [f"{root}.{option}" for option in known]
    shown = root if not rest else f"{root}.{name}"
    yield Finding(path, "unknown-reference", f"there is no {quoted(shown)}", did_you_mean(shown, options))


def _param(rest: tuple[str, ...], path: Path, reach: Reach) -> Iterator[Finding]:
    if len(rest) != 1:
        yield Finding(path, "unknown-reference", "a param is named like ${{ params.NAME }}")
        return
    name = rest[0]
    if name in reach.params:
        return
    if reach.shared_params:
        message = (
            f"{reach.where} may use only params that every pipeline declares, which {quoted(name)} is not"
        )
        otherwise = "move the variable to the env of the pipelines that declare the param"
    else:
        message, otherwise = f"the pipeline has no param {quoted(name)}", "declare it in 'params'"
    yield Finding(path, "unknown-param", message, did_you_mean(name, reach.params, otherwise))


def _output(rest: tuple[str, ...], path: Path, reach: Reach) -> Iterator[Finding]:
    if reach.outputs is None:
        hint = "use it in the env of the task or the step that needs it"
        yield Finding(path, "unknown-reference", f"{reach.where} cannot use outputs of tasks", hint)
        return
    task, outputs = rest[0] if rest else "", reach.outputs
    if len(rest) == 2 and rest[1] in ("outcome", "steps") and task in outputs:
        yield Finding(path, "not-yet", f"{quoted('tasks.' + task + '.' + rest[1])} {later.NOT_YET}")
    elif len(rest) != 3 or rest[1] != "outputs":
        yield Finding(path, "unknown-reference", "an output is named like ${{ tasks.TASK.outputs.NAME }}")
    elif task not in outputs:
        hint = did_you_mean(task, [name for name in outputs if name != reach.task])
        yield Finding(path, "unknown-task", f"there is no task {quoted(task)} in this pipeline", hint)
    elif task == reach.task:
        message = "a task's outputs are there only when it has ended"
        hint = "steps of one task share files: write the value to a file in the workspace"
        yield Finding(path, "not-upstream", message, hint)
    else:
        yield from _declared(task, rest[2], path, reach)


def _declared(task: str, output: str, path: Path, reach: Reach) -> Iterator[Finding]:
    declared = (reach.outputs or {})[task]
    if output not in declared:
        message = f"the task {quoted(task)} declares no output {quoted(output)}"
        hint = did_you_mean(output, declared, f"it declares {listed(declared)}" if declared else "")
        yield Finding(path, "unknown-output", message, hint or f"declare it: outputs: [{output}]")
    upstream = reach.upstream
    if upstream is not None and upstream.known(reach.task) and not upstream.holds(reach.task, task):
        message = f"the task {quoted(task)} need not have ended before {quoted(reach.task)} starts"
        yield Finding(
            path, "not-upstream", message, f"add {quoted(task)} to the 'needs' of {quoted(reach.task)}"
        )
