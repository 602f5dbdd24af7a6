"""The JSON schemas: found, read, compiled, and told as prose (for `xene explain`); `shapes` tells them to `values`.

The schemas are the one description of the language: editors, `explain`, the manifest reference and validation
all come from them. A wheel carries them as `xene/schemas`; a checkout has them in `schemas/` beside `xene/`.
"""

from __future__ import annotations

import json
import os
import re
from functools import cache
from typing import Any, Callable, Mapping

from xene.model.records import dataclass

KINDS = ("Workflow", "TaskTemplate", "Agent", "Secret")
SOURCE = "Xene"  # what `read` calls the schema of xene.yaml
CONFIG = "Config"  # and that of $XENE_HOME/config.yaml
_FILES = {
    **{kind: kind.lower() for kind in KINDS},
    SOURCE: "source",
    CONFIG: "config",
}

Schema = dict[str, Any]


def folder() -> str:
    """The directory that holds the schemas. Raises FileNotFoundError."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for place in (os.path.join(package, "schemas"), os.path.join(os.path.dirname(package), "schemas")):
        if os.path.exists(os.path.join(place, "workflow.schema.json")):
            return place
    raise FileNotFoundError("xene's schemas are missing from this installation")


def path_of(kind: str) -> str:
    """The file that holds the schema of `kind`. Raises KeyError for an unknown kind."""
    return os.path.join(folder(), _FILES[kind] + ".schema.json")


@cache
def read(kind: str) -> Schema:
    """The schema of one of `KINDS`, of Xene (xene.yaml) or Config (config.yaml). Not to be changed."""
    with open(path_of(kind), encoding="utf-8") as file:
        schema: Schema = json.load(file)
    return schema


@cache
def accepts(kind: str) -> Callable[[Any], bool]:
    """A fast judge of whether plain data is a valid object of `kind`."""
    import jsonschema_rs

    judge: Callable[[Any], bool] = jsonschema_rs.Draft202012Validator(read(kind)).is_valid
    return judge


def follow(kind: str, schema: Schema) -> Schema:
    """`schema` with its `$ref` replaced by what it points to; what stands beside the `$ref` wins."""
    if "$ref" not in schema:
        return schema
    target: Schema = read(kind)["$defs"][schema["$ref"].rpartition("/")[2]]
    return {**target, **{key: value for key, value in schema.items() if key != "$ref"}}


def inlined(kind: str, schema: Any) -> Any:
    """`schema` with every `$ref` replaced, however deep: what reads it need not look anything up."""
    if isinstance(schema, list):
        return [inlined(kind, value) for value in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: inlined(kind, value) for key, value in follow(kind, schema).items() if key != "$defs"}


# -- forms


def forms(kind: str, place: Schema) -> list[Schema]:
    """The forms that a value may have: those of its `anyOf`, each of a JSON type of its own; else itself alone."""
    whole = follow(kind, place)
    return [follow(kind, form) for form in whole["anyOf"]] if "anyOf" in whole else [whole]


def fullest(kind: str, place: Schema) -> Schema:
    """The form that has keys, else the one that has items, else the first."""
    found = forms(kind, place)
    return max(found, key=lambda form: 2 * (form.get("type") == "object") + ("items" in form))


def is_text(schema: Schema) -> bool:
    """Whether a text is wanted, in which numbers and booleans are taken as they are written."""
    if "enum" in schema or "const" in schema:
        return True
    return "string" in (schema["type"] if isinstance(schema["type"], list) else [schema["type"]])


# -- explain


@dataclass(frozen=True)
class Child:
    """A key of what is explained. `type` is a few words."""

    name: str
    type: str
    required: bool
    description: str
    default: Any = None


@dataclass(frozen=True)
class Explanation:
    """One place in the language. `default` and `values` are None and empty where there are none."""

    path: str
    type: str
    description: str
    default: Any
    values: tuple[str, ...]
    examples: tuple[Any, ...]
    children: tuple[Child, ...]


def explain(path: str) -> Explanation:
    """What the schemas say about a dotted path such as `workflow.spec.pipelines.tasks.steps.timeout`.

    Names of pipelines, tasks and so on, and numbers of list items, may be left out or written. Raises
    `errors.NotFound` with a did-you-mean.
    """
    from xene.errors import NotFound
    from xene.manifest.problems import did_you_mean, quoted

    first, *rest = path.split(".")
    kinds = {kind.lower(): kind for kind in (*KINDS, SOURCE, CONFIG)}
    if first.lower() not in kinds:
        raise NotFound(f"there is no kind {quoted(first)} to explain", hint=did_you_mean(first, kinds))
    kind = kinds[first.lower()]
    schema, walked = read(kind), [kind.lower()]
    for key in rest:
        fields = properties(kind, schema)
        if key not in fields:
            within = inner(kind, schema)
            if within is not None and (is_mapping(fullest(kind, schema)) or key.isdigit()):
                schema = within
                walked.append(key)
                continue
            raise NotFound(f"{quoted('.'.join(walked))} has no {quoted(key)}", hint=did_you_mean(key, fields))
        schema = fields[key]
        walked.append(key)
    return _explanation(kind, schema, ".".join(walked))


def _explanation(kind: str, schema: Schema, path: str) -> Explanation:
    whole = follow(kind, schema)
    return Explanation(
        path=path,
        type=type_in_words(kind, whole),
        description=whole.get("description", ""),
        default=whole.get("default"),
        values=tuple(whole.get("enum", ())),
        examples=tuple(whole.get("examples", ())),
        children=children(kind, whole),
    )


def children(kind: str, schema: Schema) -> tuple[Child, ...]:
    """The keys below `schema`, also below the values of a map and the items of a list."""
    place = keyed(kind, schema) or {}
    required = place.get("required", ())
    out = []
    for name, value in place.get("properties", {}).items():
        whole = follow(kind, value)
        words = type_in_words(kind, whole)
        out.append(Child(name, words, name in required, whole.get("description", ""), whole.get("default")))
    return tuple(out)


def properties(kind: str, schema: Schema) -> Mapping[str, Schema]:
    """The keys that may follow in a path: those of `schema`, or of what is inside a map or a list."""
    place = keyed(kind, schema)
    return place["properties"] if place is not None else {}


def is_mapping(schema: Schema) -> bool:
    """Whether it is a map whose keys the user chooses."""
    return isinstance(schema.get("additionalProperties"), dict)


def inner(kind: str, schema: Schema) -> Schema | None:
    """What the values of a map or the items of a list look like; None for anything else."""
    whole = fullest(kind, schema)
    if is_mapping(whole):
        return follow(kind, whole["additionalProperties"])
    return follow(kind, whole["items"]) if "items" in whole else None


def keyed(kind: str, schema: Schema) -> Schema | None:
    """What has the keys that may follow in a path: `schema`, or what is inside a map or a list; or None."""
    place: Schema | None = fullest(kind, schema)
    while place is not None and not place.get("properties"):
        within = inner(kind, place)
        place = None if within is None else fullest(kind, within)
    return place


_TITLED = (
    *(
        "param",
        "context",
        "task",
        "template task",
        "step",
        "pipeline",
        "requirement",
        "connector",
        "retry",
        "backoff",
        "matrix",
    ),
    *("approval", "container", "limits", "trigger", "cron", "dst", "webhook", "history", "notice"),
)


def type_in_words(kind: str, schema: Schema) -> str:
    """`text`, `integer`, `list of text`, `map of name to task`, `name or connector`, `one of sh, bash, python`."""
    whole = follow(kind, schema)
    if "anyOf" in whole:
        return " or ".join(type_in_words(kind, form) for form in whole["anyOf"])
    title = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(whole.get("title", ""))).lower()
    if "enum" in whole:
        return "one of " + ", ".join(map(str, whole["enum"]))
    if "const" in whole:
        return f"always {whole['const']}"
    if whole.get("type") == "object" and (title in _TITLED or title.endswith("connector")):
        return title
    if is_mapping(whole):
        return "map of name to " + type_in_words(kind, whole["additionalProperties"])
    if "items" in whole:
        return "list of " + type_in_words(kind, whole["items"])
    if whole.get("type") == "object":
        return "mapping"
    if title in ("duration", "name", "value", "expression", "size"):
        return title
    if title in ("matrix value", "glob"):
        return {"glob": "pattern"}.get(title, "value")
    return "text" if is_text(whole) else str(whole["type"])
