"""Words for what the schema refuses. Called by `load`, and only for data that the fast judge has refused.

One finding per real mistake: the errors of `jsonschema` are narrowed here to what a person did wrong. The judge
(`schema.accepts`) decides; this module never lets pass what it refused.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import islice
from typing import Any, Iterable, Iterator

from xene.manifest import schema
from xene.manifest.findings import Finding, Path
from xene.manifest.phrases import Case, label
from xene.manifest.problems import quoted
from xene.manifest.sorts import form_of
from xene.manifest.words import WORDS, key_name

MAX_ERRORS = 400  # a file shows 100 problems; several errors may make one


def findings(kind: str, data: Any) -> list[Finding]:
    """What the schema of `kind` has against `data`; never empty where the judge refuses it."""
    errors = list(islice(_unwrapped(_validator(kind).iter_errors(data)), MAX_ERRORS))
    found = [finding for error in _narrowed(errors) for finding in islice(_worded(error, kind), MAX_ERRORS)]
    meant = {(f.path[:-1], f.hint) for f in found if f.code == "unknown-key"}
    found = [f for f in found if not (f.code == "missing-key" and _renamed(f, meant))]
    if not found and not schema.accepts(kind)(data):
        return [Finding((), "wrong-value", f"the schema of {kind} refuses this object")]
    return found


def _renamed(finding: Finding, meant: set[tuple[Path, str]]) -> bool:
    """Whether a misspelt key explains the missing one."""
    name = finding.message.split("'")[1]
    return (finding.path, f"did you mean {quoted(name)}?") in meant


def _unwrapped(errors: Iterable[Any]) -> Iterator[Any]:
    """Where a value may have several forms: what is wrong with it in the form that it was meant to have."""
    for error in errors:
        form = form_of(error) if error.validator == "anyOf" else None
        if form is None:
            yield error
        else:
            yield from _unwrapped(e for e in error.context if e.relative_schema_path[0] == form)


def _narrowed(errors: list[Any]) -> list[Any]:
    """At most one error for a value, the most telling one; all errors about keys stay."""
    rank = {"type": 0, "const": 1, "enum": 1, "minLength": 2, "maxLength": 2, "oneOf": 4}
    about_keys: list[Any] = []
    best: dict[Path, Any] = {}
    for error in errors:
        if error.validator in ("additionalProperties", "required", "dependentRequired") or _is_key(error):
            about_keys.append(error)
            continue
        path = tuple(error.absolute_path)
        if path not in best or rank.get(error.validator, 3) < rank.get(best[path].validator, 3):
            best[path] = error
    return about_keys + list(best.values())


def _is_key(error: Any) -> bool:
    return "propertyNames" in list(error.absolute_schema_path)[:-1]


@cache
def _validator(kind: str) -> Any:
    from jsonschema.validators import Draft202012Validator, extend

    extended: Any = extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]
    return extended(schema.inlined(kind, schema.read(kind)))


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Any]:
    """As ECMA 262 and the judge read it: `$` is the end of the text, not also the place before a last newline."""
    from jsonschema import ValidationError

    strict = pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern
    if isinstance(instance, str) and not re.search(strict, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _worded(error: Any, kind: str) -> Iterator[Finding]:
    path = tuple(error.absolute_path)
    words = WORDS.get(error.validator)
    if _is_key(error):
        yield key_name(path, error)
    elif words is not None:
        yield from words(Case(path, error, kind))
    else:
        yield Finding(path, "wrong-value", f"{label(path)}: {error.message}")
