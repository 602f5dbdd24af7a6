"""Words for one thing that the schema refuses, by the schema's keyword. Called by `wording`."""

from __future__ import annotations

import json
import re
from typing import Any, Callable, Iterator, NamedTuple

from xene.manifest import later, schema
from xene.manifest.findings import Finding, Path
from xene.manifest.problems import closest, did_you_mean, listed, quoted
from xene.model.ids import NAME_RULE
from xene.model.pipeline_codec import MATRIX_OPTIONS

_TYPES = {
    "object": "a mapping (key: value)",
    "array": "a list",
    "string": "a text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
}
_QUOTE = "a text that holds ': ' (inside {} and [] also ':', '?' or '${{') wants quotes"


class Case(NamedTuple):
    """An error of `jsonschema`, where it is, and whose schema it is about."""

    path: Path
    error: Any
    kind: str


def label(path: Path) -> str:
    """What a value is called in a message: its key, or what list it is in."""
    if path and isinstance(path[-1], int):
        return f"item {path[-1] + 1} of {label(path[:-1])}"
    return quoted(path[-1]) if path else "the object"


def _place(error: Any) -> str:
    title = error.schema.get("title", "")
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", title).lower().replace("workflow spec", "'spec'")
    words = words.replace("agent spec", "'spec'").replace("metadata", "'metadata'")
    if title in ("Ssh", "Local", "Limits", "Backoff", "Retry"):
        return quoted(title.lower())
    return words if words.startswith("'") else f"an {words}" if words[0] in "aeiou" else f"a {words}"


def _unknown(case: Case) -> Iterator[Finding]:
    path, error = case.path, case.error
    known, title = error.schema["properties"], error.schema.get("title", "")
    for key in error.instance:
        if key in known:
            continue
        if key in later.KEYS.get(title, ()):
            yield Finding((*path, key), "not-yet", f"{quoted(key)} {later.NOT_YET}", at_key=True)
            continue
        missing = [name for name in error.schema.get("required", ()) if name not in error.instance]
        options = missing if closest(key, missing) else [name for name in known if name not in error.instance]
        hint = did_you_mean(key, options, _elsewhere(key, case.kind) or f"the keys here are {listed(known)}")
        yield Finding(
            (*path, key), "unknown-key", f"{_place(error)} has no key {quoted(key)}", hint, at_key=True
        )


def _elsewhere(key: str, kind: str) -> str:
    """Where a key that is misplaced would belong."""
    homes = [_home(name) for name, place in _objects(kind) if key in place.get("properties", {})]
    return f"it belongs in {listed(homes, 'or')}" if homes and len(key) < 64 else ""


def _home(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _objects(kind: str) -> list[tuple[str, schema.Schema]]:
    root = schema.read(kind)
    places = [(name, root["properties"][name]) for name in ("metadata", "spec") if name in root["properties"]]
    return places + list(root.get("$defs", {}).items())


def _missing(case: Case) -> Iterator[Finding]:
    path, error = case.path, case.error
    for name in error.validator_value:
        if f"'{name}' is a required" not in error.message:
            continue
        wanted = schema.follow(case.kind, error.schema["properties"][name])
        yield Finding(
            path, "missing-key", f"{quoted(name)} is missing in {_place(error)}", _example(name, wanted), True
        )


def _example(name: str, wanted: schema.Schema) -> str:
    if "const" in wanted:
        return f"write {name}: {wanted['const']}"
    if wanted.get("examples"):
        return f"for example {name}: {_flow(wanted['examples'][0])}"
    if wanted.get("default"):
        return f"for example {name}: {_flow(wanted['default'])}"
    return f"one of {listed(wanted['enum'], 'or')}" if "enum" in wanted else _clause(wanted)


def _flow(value: Any) -> str:
    """A value as it would stand in a manifest, on one line."""
    if isinstance(value, str):
        return json.dumps(value) if re.search(r"[:?{}\[\],&*#]", value) else value
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return json.dumps(value)


def _type(case: Case) -> Iterator[Finding]:
    path, error = case.path, case.error
    value, types = error.instance, error.validator_value
    wanted = "string" if isinstance(types, list) else types
    what = "a text, a number or a boolean" if error.schema.get("title") == "MatrixValue" else _TYPES[wanted]
    message = f"{label(path)} must be {what}, not {_sort(value)}"
    yield Finding(path, "wrong-type", message, _type_hint(value, wanted, error.schema, path))


def _type_hint(value: Any, wanted: str, place: schema.Schema, path: Path) -> str:
    if value is None and wanted in ("object", "array"):
        return "give it a value, or leave the key out"
    if place.get("title") == "MatrixValue" and len(path) > 1 and closest(str(path[-2]), MATRIX_OPTIONS):
        return did_you_mean(str(path[-2]), MATRIX_OPTIONS)
    if wanted == "string" and isinstance(value, dict):
        return _QUOTE
    if isinstance(value, str) and _unquoted(value, wanted):
        return f"write {value}, without quotes"
    if wanted == "boolean" and str(value).lower() in ("yes", "on", "no", "off"):
        return f"write {'true' if str(value).lower() in ('yes', 'on') else 'false'}"
    if place.get("examples") and path and isinstance(path[-1], str):
        return f"for example {path[-1]}: {_flow(place['examples'][0])}"
    return ""


def _unquoted(value: str, wanted: str) -> bool:
    if wanted == "boolean":
        return value in ("true", "false")
    forms = {"integer": r"-?[0-9]{1,15}", "number": r"-?[0-9]{1,15}(\.[0-9]{1,15})?"}
    return wanted in forms and re.fullmatch(forms[wanted], value) is not None


def _sort(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, (int, float)):
        return f"the number {quoted(value)[1:-1]}"
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    return "a mapping" if isinstance(value, dict) else "a list"


def _enum(case: Case) -> Iterator[Finding]:
    path, error = case.path, case.error
    values = [str(value) for value in error.validator_value]
    message = f"{label(path)} must be one of {listed(values, 'or')}, not {_bare(error.instance)}"
    near = closest(error.instance, values) if isinstance(error.instance, str) else None
    hint = f"did you mean {quoted(near)}?" if near else ""
    if str(error.instance).isdigit() and path[-2:-1] == ("on",):
        hint = f"an exit code is written without quotes: {error.instance}"
    yield Finding(path, "wrong-value", message, hint)


def form_of(error: Any) -> int | None:
    """Which of the forms of an `anyOf` the value was meant to have, by its type."""
    for index, form in enumerate(error.validator_value):
        types = form.get("type", "string" if "enum" in form else ())
        if any(_is_of(error.instance, each) for each in _listed(types)):
            return index
    return None


def _listed(types: Any) -> list[str]:
    return types if isinstance(types, list) else [types]


def _is_of(value: Any, name: str) -> bool:
    """Whether JSON schema counts `value` as of the type `name`."""
    if isinstance(value, bool):
        return name == "boolean"
    if isinstance(value, float) and value.is_integer() and name == "integer":
        return True
    sorts = {"string": str, "integer": int, "number": (int, float), "object": dict, "array": list}
    return name in sorts and isinstance(value, sorts[name])  # type: ignore[arg-type]


def _any_of(case: Case) -> Iterator[Finding]:
    """A value of none of the types that are wanted."""
    path, error = case.path, case.error
    wanted = " or ".join(_form_in_words(form) for form in error.validator_value)
    message = f"{label(path)} must be {wanted}, not {_sort(error.instance)}"
    yield Finding(path, "wrong-type", message, _type_hint(error.instance, "", error.schema, path))


def _form_in_words(form: schema.Schema) -> str:
    if "enum" in form:
        return "one of " + listed(list(map(str, form["enum"])), "or")
    titled = {"Name": "a name", "AxisTemplate": "a template", "Glob": "a pattern"}
    return titled.get(form.get("title", ""), _TYPES[_listed(form["type"])[0]])


def _bare(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else _sort(value)


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
        yield _axis(path, value)
        return
    if code == "wrong-value" and path:
        where = path[-1] if isinstance(path[-1], str) else path[-2]
        what = "value of a label" if error.schema.get("title") == "LabelValue" else label((where,))
        yield Finding(
            path, code, f"{quoted(value)} is not a valid {what}", rule or _example(str(where), error.schema)
        )
    else:
        what = {"bad-duration": "a duration", "bad-name": "a valid name"}.get(code, "valid")
        yield Finding(path, code, f"{quoted(value)} is not {what}", _name_hint(value, rule))


def _axis(path: Path, value: str) -> Finding:
    name = str(path[-1])
    message = (
        f"{quoted(name)} must be a list of values, or one template that gives a list, not {quoted(value)}"
    )
    hint = did_you_mean(name, MATRIX_OPTIONS, f"for example {name[:63]}: [{value[:63]}]")
    return Finding(path, "wrong-type", message, hint)


def _rule(place: schema.Schema) -> tuple[str, str]:
    title = place.get("title", "")
    if title == "Duration":
        return "bad-duration", "write it like 500ms, 90s, 10m, 2h, 1d or 1h30m"
    if title == "Name":
        return "bad-name", NAME_RULE
    return "bad-name" if title.endswith("Name") else "wrong-value", _clause(place) if title else ""


def _clause(place: schema.Schema) -> str:
    """A description as part of a sentence."""
    words = str(place.get("description", "")).rstrip(".")
    return words[:1].lower() + words[1:] if words[1:2].islower() or words[1:2] == " " else words


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
        yield Finding(path, "missing-key", f"one of {both} is missing in {_place(error)}", at_key=True)


WORDS: dict[str, Callable[[Case], Iterator[Finding]]] = {
    "additionalProperties": _unknown,
    "required": _missing,
    "type": _type,
    "enum": _enum,
    "const": _const,
    "pattern": _form,
    "maxLength": _long,
    "minLength": _few,
    "minItems": _few,
    "minProperties": _few,
    "uniqueItems": _unique,
    "minimum": _range,
    "maximum": _range,
    "exclusiveMinimum": _range,
    "anyOf": _any_of,
    "oneOf": _one_of,
}
