"""Words for a value of the wrong type: what is wanted at its place, and what is there. Called by `words`. Pure."""

from __future__ import annotations

import re
from typing import Any, Iterator

from xene.manifest import schema
from xene.manifest.findings import Finding, Path
from xene.manifest.phrases import Case, flow, label
from xene.manifest.problems import closest, did_you_mean, listed, quoted
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


def other_type(case: Case) -> Iterator[Finding]:
    path, error = case.path, case.error
    value, types = error.instance, error.validator_value
    wanted = "string" if isinstance(types, list) else types
    what = "a text, a number or a boolean" if error.schema.get("title") == "MatrixValue" else _TYPES[wanted]
    message = f"{label(path)} must be {what}, not {sort_of(value)}"
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
        return f"for example {path[-1]}: {flow(place['examples'][0])}"
    return ""


def _unquoted(value: str, wanted: str) -> bool:
    if wanted == "boolean":
        return value in ("true", "false")
    forms = {"integer": r"-?[0-9]{1,15}", "number": r"-?[0-9]{1,15}(\.[0-9]{1,15})?"}
    return wanted in forms and re.fullmatch(forms[wanted], value) is not None


def sort_of(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, (int, float)):
        return f"the number {quoted(value)[1:-1]}"
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    return "a mapping" if isinstance(value, dict) else "a list"


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


def type_of_none(case: Case) -> Iterator[Finding]:
    """A value of none of the types that are wanted."""
    path, error = case.path, case.error
    wanted = " or ".join(_form_in_words(form) for form in error.validator_value)
    message = f"{label(path)} must be {wanted}, not {sort_of(error.instance)}"
    yield Finding(path, "wrong-type", message, _type_hint(error.instance, "", error.schema, path))


def _form_in_words(form: schema.Schema) -> str:
    if "enum" in form:
        return "one of " + listed(list(map(str, form["enum"])), "or")
    titled = {"Name": "a name", "AxisTemplate": "a template", "Glob": "a pattern"}
    return titled.get(form.get("title", ""), _TYPES[_listed(form["type"])[0]])


def bad_axis(path: Path, value: str) -> Finding:
    name = str(path[-1])
    message = (
        f"{quoted(name)} must be a list of values, or one template that gives a list, not {quoted(value)}"
    )
    example = "${{ fromJson(tasks.plan.outputs.shards) }}" if "${{" in value else f"[{value[:63]}]"
    hint = did_you_mean(name, MATRIX_OPTIONS, f"for example {name[:63]}: {example}")
    return Finding(path, "wrong-type", message, hint)
