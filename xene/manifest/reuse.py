"""Tasks that say `template: NAME`: the template's task put in their place, and where its parts stand. Pure.

Called by `load`, for workflows that use a template at all. What the task itself says wins over the template; `env`
is added to the template's; `steps` and `outputs` come from the template alone. The checks of workflows then see the
whole task, and `Expansion.origin` says for what they find in it whether the template holds it.
"""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import Any, Callable, Iterator, Mapping, NamedTuple

from xene.engine.texts import OPEN, ExpressionError
from xene.engine.tree import Literal, Node
from xene.manifest import substitution
from xene.manifest.findings import Finding, Path
from xene.manifest.params import compiled
from xene.manifest.plain import fields, text
from xene.manifest.problems import closest, did_you_mean, quoted
from xene.model import codec
from xene.model.param_values import WrongValue, as_text, refused, shown, typed
from xene.model.records import dataclass
from xene.model.workflow import Param

KIND = "TaskTemplate"
MAX_ADDED = 4 << 20  # characters that templates may add to a workflow
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_GROUPS = ("tasks", "finally")
_OF_TEMPLATE = ("steps", "outputs")  # what a task that uses a template does not have itself
_OF_USE = ("template", "with")
_UNSURE = ("unknown-output", "unknown-artifact")  # what may only seem so where a template is not known


class Template(NamedTuple):
    """A template that is valid. `size` is how long its JSON is; `file` is "" where the state holds it."""

    name: str
    digest: str
    spec: Mapping[str, Any]
    size: int
    file: str = ""


class Templates:
    """The templates that may be used. `here` are those of the manifests; `broken` are names of invalid ones.

    `stored` gives those of the state as JSON, by name; it is asked only for what is not here. `read` gives the
    bytes of a template's file, for messages; empty where it cannot be read.
    """

    def __init__(
        self,
        here: Mapping[str, Template] = _NOTHING,
        broken: frozenset[str] = frozenset(),
        stored: Callable[[], Mapping[str, Any]] = dict,
        read: Callable[[str], bytes] = lambda _: b"",
    ) -> None:
        self.broken = broken
        self.read = read
        self._here = here
        self._stored = cache(stored)

    def find(self, name: str) -> Template | None:
        """The template of this name, if it is valid."""
        found = self._here.get(name)
        if found is not None or name in self.broken:
            return found
        data = self._stored().get(name)
        return (
            None
            if data is None
            else Template(name, codec.digest(data), data["spec"], len(codec.canonical(data)))
        )

    def names(self) -> list[str]:
        """All names, in order."""
        return sorted({*self._here, *self.broken, *self._stored()})


class Use(NamedTuple):
    """A task that uses a template; `path` leads to it."""

    path: Path
    template: str
    task: Mapping[str, Any]


class Origin(NamedTuple):
    """Where a part of an expanded task stands: at `path` of a template, which `use` has taken over."""

    template: Template
    path: Path
    use: Use


@dataclass(frozen=True)
class Expansion:
    """A workflow with its templates put in. `used` is (name, digest) of each; `findings` is wrong with the uses."""

    data: Any
    uses: Mapping[Path, tuple[Use, Template]]
    used: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]
    complete: bool

    def told(self, found: list[Finding]) -> list[Finding]:
        """Without what follows from another finding: from a template that is not known, or a bad value."""
        sure = found if self.complete else [f for f in found if f.code not in _UNSURE]
        both = (*self.findings, *sure)
        bad = {f.path[:5] for f in both if len(f.path) > 5 and f.path[5] == "with"}
        kept = [f for f in sure if f.path[:5] not in bad or self.origin(f.path) is None]
        return [*self.findings, *kept]

    def origin(self, path: Path) -> Origin | None:
        """Where `path` stands if a template holds it; None if the workflow does."""
        found = self.uses.get(path[:5])
        if found is None or len(path) == 5:
            return None
        use, template = found
        key, rest = path[5], path[6:]
        if key in _OF_USE:
            return None
        if rest[0] in fields(use.task, "env") if key == "env" and rest else key in use.task:
            return None
        return Origin(template, ("spec", *(() if key == "outputs" else ("task",)), key, *rest), use)


def uses_of(data: Any) -> list[Use]:
    """The tasks of a workflow that use a template, in the manifest's order."""
    out = []
    for name, pipeline in fields(fields(data, "spec"), "pipelines").items():
        for group in _GROUPS:
            for task, body in fields(pipeline, group).items():
                template = text(body, "template")
                if template is not None:
                    out.append(Use(("spec", "pipelines", name, group, task), template, body))
    return out


def expand(data: Any, uses: list[Use], templates: Templates) -> Expansion:
    """The workflow with the templates of `uses` put in; `data` itself stays as it is."""
    found: dict[Path, tuple[Use, Template]] = {}
    findings: list[Finding] = []
    budget = substitution.Budget(MAX_ADDED)
    tasks: dict[Path, Mapping[str, Any]] = {}
    for use in uses:
        findings += _own(use)
        template = templates.find(use.template)
        if template is None:
            findings += _unknown(use, templates)
            continue
        found[use.path] = (use, template)
        values, wrong = _values(use, template)
        findings += wrong
        try:
            tasks[use.path] = _task(use, template, values, budget)
        except substitution.TooLarge:
            del found[use.path]
            findings.append(_too_large(use))
            break
    used = tuple(sorted({(template.name, template.digest) for _, template in found.values()}))
    return Expansion(_with(data, tasks), found, used, tuple(findings), len(found) == len(uses))


def plain(data: Any, expansion: Expansion) -> Any:
    """The expanded workflow without the words that made it one: what is judged by the schema, and stored."""
    tasks = {path: _without_use(_at(data, path)) for path in expansion.uses}
    return _with(data, tasks)


def _without_use(task: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in task.items() if key not in _OF_USE}


def _at(data: Any, path: Path) -> Any:
    for key in path:
        data = data[key]
    return data


def _with(data: Any, tasks: Mapping[Path, Mapping[str, Any]]) -> Any:
    """A copy of `data` with other tasks at these paths; whatever is not on the way is shared."""
    out = data
    for path, task in tasks.items():
        out = _replaced(out, path, task)
    return out


def _replaced(data: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    return {**data, path[0]: _replaced(data[path[0]], path[1:], value)}


def _task(
    use: Use, template: Template, values: Mapping[str, Node], budget: substitution.Budget
) -> dict[str, Any]:
    spec = template.spec
    budget.spend(template.size)
    out = substitution.Filling(values, budget).task(spec["task"])
    env = {**out.get("env", {}), **fields(use.task, "env")}
    own = {key: value for key, value in use.task.items() if key not in _OF_TEMPLATE}
    out = {**out, **own}
    if env and ("env" not in use.task or isinstance(use.task["env"], dict)):
        out["env"] = env
    if "outputs" in spec:
        out["outputs"] = spec["outputs"]
    return out


# -- what is wrong with a use


def _own(use: Use) -> Iterator[Finding]:
    """Keys that come from the template alone; of `steps` the schema says so."""
    if "outputs" in use.task:
        message = "a task with a 'template' has the outputs of the template"
        hint = f"declare them in the TaskTemplate {quoted(use.template)}, and leave 'outputs' out here"
        yield Finding((*use.path, "outputs"), "wrong-value", message, hint, at_key=True)


def _unknown(use: Use, templates: Templates) -> Iterator[Finding]:
    if use.template in templates.broken:
        return  # it has problems of its own, which are told
    near = closest(use.template, templates.names())
    hint = f"did you mean {quoted(near)}?" if near else "declare it, or apply it first"
    message = f"there is no {KIND} named {quoted(use.template)}"
    yield Finding((*use.path, "template"), "unresolved-reference", message, hint)


def _too_large(use: Use) -> Finding:
    message = f"with its templates put in, this workflow would have more than {MAX_ADDED >> 20}Mi"
    return Finding((*use.path, "template"), "too-large", message, "split it, or keep what is long in files")


def _values(use: Use, template: Template) -> tuple[dict[str, Node], list[Finding]]:
    """What every param of the template stands for, and what is wrong with what is given for them."""
    params = codec.params_from_json(template.spec.get("params", {}))
    values: dict[str, Node] = {}
    findings = list(_undeclared(use, params))
    for name, param in params.items():
        try:
            values[name] = _value(use, name, param)
        except _Missing:
            findings.append(_missing(use, name, param))
        except ExpressionError:
            continue  # which `templates` finds in the task
        except WrongValue as wrong:
            message = f"{wrong}, as the param {quoted(name)} of the {KIND} {quoted(use.template)} wants"
            findings.append(Finding((*use.path, "with", name), "wrong-value", message))
    return values, findings


class _Missing(Exception):
    """Nothing is given for a param that is required."""


def _value(use: Use, name: str, param: Param) -> Node:
    text = fields(use.task, "with").get(name)
    if not isinstance(text, str):
        if param.default is None:
            raise _Missing
        return Literal(param.default)
    if OPEN in text:
        return substitution.given(text)
    value = typed(param.type, text)
    why = refused(param, value)
    if why is not None:
        raise WrongValue(why)
    pattern = compiled(param.pattern) if param.pattern is not None else None
    if pattern is not None and not pattern.fullmatch(as_text(value)):
        raise WrongValue(f"{shown(value)} does not match the pattern {param.pattern}")
    return Literal(value)


def _undeclared(use: Use, params: Mapping[str, Param]) -> Iterator[Finding]:
    for name in fields(use.task, "with"):
        if name not in params:
            message = f"the {KIND} {quoted(use.template)} has no param {quoted(name)}"
            hint = did_you_mean(name, params, "" if params else "it has none")
            yield Finding((*use.path, "with", name), "unknown-param", message, hint, at_key=True)


def _missing(use: Use, name: str, param: Param) -> Finding:
    message = f"the {KIND} {quoted(use.template)} wants its param {quoted(name)}, which has no default"
    example = as_text(param.enum[0]) if param.enum else {"string": "..."}.get(param.type, param.type)
    hint = f"for example with: {{{name}: {example}}}"
    return Finding((*use.path, "template"), "missing-key", message, hint)
