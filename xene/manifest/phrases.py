"""How things are called in messages about what the schema refuses. Called by `words` and `sorts`. Pure."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from xene.manifest import schema
from xene.manifest.findings import Path
from xene.manifest.problems import listed, quoted


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


def place_of(error: Any) -> str:
    """What a mapping is called: `a step`, `a pipeline connector`, or its key."""
    title = error.schema.get("title", "")
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", title).lower().replace("workflow spec", "'spec'")
    words = words.replace("agent spec", "'spec'").replace("metadata", "'metadata'")
    words = words.replace("task template spec", "'spec'")
    if title in ("Ssh", "Local", "Limits", "Backoff", "Retry", "Cron", "Dst", "History"):
        return quoted(title.lower())
    return words if words.startswith("'") else f"an {words}" if words[0] in "aeiou" else f"a {words}"


def example(name: str, wanted: schema.Schema) -> str:
    """A hint on what to write at the key `name`."""
    if "const" in wanted:
        return f"write {name}: {wanted['const']}"
    if wanted.get("examples"):
        return f"for example {name}: {flow(wanted['examples'][0])}"
    if wanted.get("default"):
        return f"for example {name}: {flow(wanted['default'])}"
    return f"one of {listed(wanted['enum'], 'or')}" if "enum" in wanted else clause(wanted)


def flow(value: Any) -> str:
    """A value as it would stand in a manifest, on one line."""
    if isinstance(value, str):
        return json.dumps(value) if re.search(r"[:?{}\[\],&*#]", value) else value
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    return json.dumps(value)


def clause(place: schema.Schema) -> str:
    """A description as part of a sentence."""
    words = str(place.get("description", "")).rstrip(".")
    return words[:1].lower() + words[1:] if words[1:2].islower() or words[1:2] == " " else words
