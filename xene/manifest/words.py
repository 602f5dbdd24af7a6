"""Words for one thing that the schema refuses, by the schema's keyword. Called by `wording`."""

from __future__ import annotations

import re
from typing import Any, Callable, Iterator

from xene.manifest import schema
from xene.manifest.findings import Finding, Path
from xene.manifest.phrases import Case, clause, example, label, place_of
from xene.manifest.problems import closest, did_you_mean, listed, quoted
from xene.manifest.sorts import bad_axis, other_type, sort_of, type_of_none
from xene.model.ids import NAME_RULE


def _unknown(case: Case) -> Iterator[Finding]:
    path, error = case.path, case.error
    known = error.schema["properties"]
    for key in error.instance:
        if key in known:
            continue
        missing = [name for name in error.schema.get("required", ()) if name not in error.instance]
        options = missing if closest(key, missing) else [name for name in known if name not in error.instance]
        otherwise = _elsewhere(key, case.kind) or f"the keys here are {listed(known)}"
        if error.instance[key] is None and " " in key.strip():
            hint = _COMMA
        else:
            hint = did_you_mean(key, options, otherwise)
        yield Finding(
            (*path, key), "unknown-key", f"{place_of(error)} has no key {quoted(key)}", hint, at_key=True
        )


_COMMA = "inside {} and [] a text that holds ',' wants quotes"
_OF_USERS = ("needs", "join", "matrix")


def _elsewhere(key: str, kind: str) -> str:
    """Where a key that is misplaced would belong."""
    if kind == "TaskTemplate" and key in _OF_USERS:
        return "it belongs in the tasks that use the template"
    homes = [_home(name) for name, place in _objects(kind) if key in place.get("properties", {})]
    return f"it belongs in {listed(homes, 'or')}" if homes and len(key) < 64 else ""


def _home(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _objects(kind: str) -> list[tuple[str, schema.Schema]]:
    root = schema.read(kind)
    places = [(name, root["properties"][name]) for name in ("metadata", "spec") if name in root["properties"]]
    defs = root.get("$defs", {}).items()
    return places + [(name, place) for name, place in defs if not name.lower().endswith("connector")]


def _missing(case: Case) -> Iterator[Finding]:
    path, error = case.path, case.error
    for name in error.validator_value:
        if f"'{name}' is a required" not in error.message:
            continue
        wanted = schema.follow(case.kind, error.schema["properties"][name])
        yield Finding(
            path,
            "missing-key",
            f"{quoted(name)} is missing in {place_of(error)}",
            example(name, wanted),
            True,
        )


def _enum(case: Case) -> Iterator[Finding]:
    path, error = case.path, case.error
    values = [str(value) for value in error.validator_value]
    message = f"{label(path)} must be one of {listed(values, 'or')}, not {_bare(error.instance)}"
    near = _meant(error.instance, values) if isinstance(error.instance, str) else None
    hint = f"did you mean {quoted(near)}?" if near else ""
    if str(error.instance).isdigit() and path[-2:-1] == ("on",):
        hint = f"an exit code is written without quotes: {error.instance}"
    yield Finding(path, "wrong-value", message, hint)


_ELSEWHERE = {"failure": "error", "failed": "error", "always": "any", "all": "any", "completed": "any"}


def _meant(value: str, values: list[str]) -> str | None:
    """The value that was probably meant; words of other systems are known for outcomes."""
    known = _ELSEWHERE.get(value.lower())
    return known if known in values else closest(value, values)


def _bare(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else sort_of(value)


def _const(case: Case) -> Iterator[Finding]:
    path, error = case.path, case.error
    wanted = error.validator_value
    yield Finding(path, "wrong-value", f"{label(path)} must be {quoted(wanted)}, not {_bare(error.instance)}")


def _form(case: Case) -> Iterator[Finding]:
    """A text that breaks its pattern or is too long."""
    path, error = case.path, case.error
    code, rule = _rule(error.schema)
    value = error.instance
    if error.schema.get("title") == "AxisTemplate":
        yield bad_axis(path, value)
        return
    if code == "wrong-value" and path:
        where = path[-1] if isinstance(path[-1], str) else path[-2]
        what = "value of a label" if error.schema.get("title") == "LabelValue" else label((where,))
        yield Finding(
            path, code, f"{quoted(value)} is not a valid {what}", rule or example(str(where), error.schema)
        )
    else:
        what = {"bad-duration": "a duration", "bad-name": "a valid name"}.get(code, "valid")
        yield Finding(path, code, f"{quoted(value)} is not {what}", _name_hint(value, rule))


def _rule(place: schema.Schema) -> tuple[str, str]:
    title = place.get("title", "")
    if title == "Duration":
        return "bad-duration", "write it like 500ms, 90s, 10m, 2h, 1d or 1h30m"
    if title == "Name":
        return "bad-name", NAME_RULE
    return "bad-name" if title.endswith("Name") else "wrong-value", clause(place) if title else ""


_OWNED = {
    "env": "an environment variable",
    "secrets": "an environment variable",
    "labels": "a label",
    "matchLabels": "a label",
    "annotations": "an annotation",
    "artifacts": "an artifact",
    "finally": "a task",
}


def key_name(path: Path, error: Any) -> Finding:
    """A key chosen by the user breaks the rule for such keys."""
    key = error.instance
    _, rule = _rule(error.schema)
    if error.validator == "not":
        message, rule = f"{quoted(key)} may not be set: names that begin with XENE_ are Xene's own", ""
        return Finding((*path, key), "bad-name", message, rule, at_key=True)
    owner = str(path[-1]) if path else ""
    what = (
        "an axis" if error.schema.get("title") == "AxisName" else _OWNED.get(owner, f"a {owner.rstrip('s')}")
    )
    return Finding(
        (*path, key),
        "bad-name",
        f"{quoted(key)} is not a valid name of {what}",
        _name_hint(key, rule),
        at_key=True,
    )


def _name_hint(name: str, rule: str) -> str:
    better = re.sub(r"[^a-z0-9]+", "-", name[:100].lower()).strip("-")
    return (
        f"{rule}; for example {quoted(better)}" if rule == NAME_RULE and better and len(better) < 64 else rule
    )


def _few(case: Case) -> Iterator[Finding]:
    path, error = case.path, case.error
    sort = {"minProperties": "mapping", "minItems": "list", "minLength": "text"}[error.validator]
    if error.schema.get("title") == "Duration":
        yield from _form(case)
        return
    yield Finding(path, "wrong-value", f"{label(path)} must not be an empty {sort}")


def _many(case: Case) -> Iterator[Finding]:
    path, error = case.path, case.error
    size, limit = len(error.instance), error.validator_value
    yield Finding(path, "wrong-value", f"{label(path)} has {size} items; at most {limit} are allowed")


def _long(case: Case) -> Iterator[Finding]:
    path, error = case.path, case.error
    size, limit = len(error.instance), error.validator_value
    yield Finding(path, "wrong-value", f"{label(path)} has {size} characters; at most {limit} are allowed")


def _unique(case: Case) -> Iterator[Finding]:
    path, error = case.path, case.error
    seen: list[Any] = []
    for index, item in enumerate(error.instance):
        if any(item == other and isinstance(item, bool) == isinstance(other, bool) for other in seen):
            yield Finding((*path, index), "wrong-value", f"{_bare(item)} stands twice in {label(path)}")
            return
        seen.append(item)


def _range(case: Case) -> Iterator[Finding]:
    path, error = case.path, case.error
    word = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "more than"}[error.validator]
    value = quoted(error.instance)[1:-1]
    yield Finding(path, "wrong-value", f"{label(path)} must be {word} {error.validator_value}, not {value}")


def _one_of(case: Case) -> Iterator[Finding]:
    path, error = case.path, case.error
    names = [option["required"][0] for option in error.validator_value]
    there = [name for name in names if name in error.instance]
    both = " and ".join(quoted(name) for name in names)
    if there:
        yield Finding((*path, there[-1]), "wrong-value", f"only one of {both} may be here", at_key=True)
    elif not any(closest(key, names) for key in error.instance if key not in error.schema["properties"]):
        wanted = schema.follow(case.kind, error.schema["properties"][names[0]])
        hint = example(names[0], wanted) if wanted.get("examples") else ""
        message = f"one of {both} is missing in {place_of(error)}"
        yield Finding(path, "missing-key", message, hint, at_key=True)


def _dependent(case: Case) -> Iterator[Finding]:
    """A key that goes with another one, which is not there."""
    for key, wanted in case.error.validator_value.items():
        if key in case.error.instance and not all(name in case.error.instance for name in wanted):
            message = f"{quoted(key)} goes with {listed(wanted)}, which is not here"
            yield Finding((*case.path, key), "wrong-value", message, at_key=True)


WORDS: dict[str, Callable[[Case], Iterator[Finding]]] = {
    "additionalProperties": _unknown,
    "required": _missing,
    "type": other_type,
    "enum": _enum,
    "const": _const,
    "pattern": _form,
    "maxLength": _long,
    "maxItems": _many,
    "minLength": _few,
    "minItems": _few,
    "minProperties": _few,
    "uniqueItems": _unique,
    "minimum": _range,
    "maximum": _range,
    "exclusiveMinimum": _range,
    "anyOf": type_of_none,
    "oneOf": _one_of,
    "dependentRequired": _dependent,
}
