"""The JSON schemas: found, read, compiled, and told as shapes (for `values`) and as prose (for `xene explain`).

The schemas are the one description of the language: editors, `explain`, the manifest reference and validation
all come from them. A wheel carries them as `xene/schemas`; a checkout has them in `schemas/` beside `xene/`.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from typing import Any, Callable, Mapping

KINDS = ("Workflow", "Agent", "Secret")
SOURCE = "Xene"  # what `read` calls the schema of xene.yaml
CONFIG = "Config"  # and that of $XENE_HOME/config.yaml
_FILES = {"Workflow": "workflow", "Agent": "agent", "Secret": "secret", SOURCE: "source", CONFIG: "config"}

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
    """The schema of one of `KINDS`, Xene (xene.yaml) or Config (config.yaml). Not to be changed by the caller."""
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


# -- shapes: what `values` makes of a node

TEXT, INTEGER, VALUE, OTHER, OBJECT, ARRAY = "text", "integer", "value", "other", "object", "array"


class Shape:
    """What is wanted at a place. `fields` are the known keys, `rest` is for all other keys, `items` of a list."""

    __slots__ = ("fields", "items", "rest", "sort")

    def __init__(self, sort: str) -> None:
        self.sort = sort
        self.fields: dict[str, Shape] = {}
        self.rest: Shape | None = None
        self.items: Shape | None = None


@cache
def shape(kind: str) -> Shape:
    """The shape of a whole object of `kind`."""
    return _shape(kind, read(kind))


def _shape(kind: str, schema: Schema) -> Shape:
    schema = follow(kind, schema)
    out = Shape(_sort(schema))
    if out.sort == OBJECT:
        out.fields = {name: _shape(kind, value) for name, value in schema.get("properties", {}).items()}
        rest = schema.get("additionalProperties")
        out.rest = _shape(kind, rest) if isinstance(rest, dict) else None
    elif out.sort == ARRAY:
        out.items = _shape(kind, schema["items"])
    return out


def _sort(schema: Schema) -> str:
    if schema.get("title") == "Value":
        return VALUE
    if "enum" in schema or "const" in schema:
        return TEXT
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "string" in types:
        return TEXT
    return types[0] if types[0] in (INTEGER, OBJECT, ARRAY) else OTHER


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
            if within is not None and (is_mapping(follow(kind, schema)) or key.isdigit()):
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
    place = follow(kind, schema)
    while not place.get("properties") and (within := inner(kind, place)) is not None:
        place = within
    required = place.get("required", ())
    out = []
    for name, value in place.get("properties", {}).items():
        whole = follow(kind, value)
        words = type_in_words(kind, whole)
        out.append(Child(name, words, name in required, whole.get("description", ""), whole.get("default")))
    return tuple(out)


def properties(kind: str, schema: Schema) -> Mapping[str, Schema]:
    """The keys that may follow in a path: those of `schema`, or of what is inside a map or a list."""
    place: Schema | None = follow(kind, schema)
    while place is not None and not place.get("properties"):
        place = inner(kind, place)
    return place["properties"] if place is not None else {}


def is_mapping(schema: Schema) -> bool:
    """Whether it is a map whose keys the user chooses."""
    return isinstance(schema.get("additionalProperties"), dict)


def inner(kind: str, schema: Schema) -> Schema | None:
    """What the values of a map or the items of a list look like; None for anything else."""
    whole = follow(kind, schema)
    if is_mapping(whole):
        return follow(kind, whole["additionalProperties"])
    return follow(kind, whole["items"]) if "items" in whole else None


def type_in_words(kind: str, schema: Schema) -> str:
    """`text`, `integer`, `list of text`, `map of name to task`, `one of sh, bash, python`."""
    whole = follow(kind, schema)
    title = str(whole.get("title", "")).lower()
    if "enum" in whole:
        return "one of " + ", ".join(map(str, whole["enum"]))
    if "const" in whole:
        return f"always {whole['const']}"
    if is_mapping(whole):
        return "map of name to " + type_in_words(kind, whole["additionalProperties"])
    if "items" in whole:
        return "list of " + type_in_words(kind, whole["items"])
    if whole.get("type") == "object":
        return (
            title if title in ("param", "context", "task", "step", "pipeline", "requirement") else "mapping"
        )
    if title in ("duration", "name", "value"):
        return title
    return "text" if _sort(whole) == TEXT else str(whole["type"])
