"""The manifest reference, `docs/manifest.md`: made from the schemas, so that it says what validation does.

    python -m xene.manifest.reference > docs/manifest.md

A test compares the page with the file. Only prose about files, YAML and templates is written here.
"""

from __future__ import annotations

import json
from typing import Any, Iterator

from xene.manifest import schema
from xene.manifest.codes import CODES
from xene.manifest.files import MAX_BYTES

_INTRO = """\
# Manifests

<!-- Made by `python -m xene.manifest.reference` from schemas/*.json. Do not edit. -->

What may stand in a manifest, key by key. `xene explain workflow.spec.pipelines` says the same in a terminal,
`xene schema workflow` prints the JSON schema for an editor, `xene validate PATH` checks files.

## Files

- Below a directory every `*.yaml` and `*.yml` is read, at any depth, sorted by path; a file may hold several
  documents. Names that begin with `.` are skipped, and what `.xeneignore` beside `xene.yaml` names (gitignore
  syntax).
- The nearest `xene.yaml` at or above the path names the *source* that owns the objects; without one the source
  is the real path of the directory. Applying less than the source's root never prunes.
- Links inside the root are followed, each file is read once. A link out of the root is an error.
- A file is UTF-8 and has at most {size}Mi.
- Every object has `apiVersion: xene/v1`, a `kind` and a `metadata.name`; two objects of one kind must not have the
  same name.

## YAML

Xene reads YAML 1.2 (core schema).

- A plain number or boolean where text is meant is taken as it is written: `8080`, `1.5`, `true`. What YAML would
  change is an error that says to quote it: `1.10`, `012`, `1e3`, `0x1F`, `True`, a date, nothing at all.
  `no`, `yes`, `on` and `off` are texts. Values of a `matrix` keep their type: `1.22` is a number, `"1.22"` a text.
- Inside `{{}}` and `[]` a text that holds `:`, `?`, `,` or a template wants quotes.
- Anchors and aliases may share whole values inside one document. The merge key `<<` is not part of YAML 1.2 and is
  refused; so are tags other than YAML's own. Unknown keys and duplicate keys are errors.
- Values nest at most 64 deep; a file holds at most 250,000 of them; aliases may add a mebibyte to it.

## Templates and expressions

`${{{{ }}}}` takes [an expression](expressions.md) and is replaced by its value when the step starts; `when` is an
expression as it is, without the braces.

| may stand in | may name |
|---|---|
| env of the workflow | `params` that every pipeline declares, `env`, `run.id`, `agent` |
| env of a pipeline or a context, `workDir` of a context | `params`, `env`, `run.id`, `agent` |
| `when` of a task or a connector, message of an approval, axis of a matrix | these, and \
`tasks` that have surely ended |
| env of a task, and its `with` | these, and `matrix` |
| env, `workDir` and `exec` of a step | these, and `steps` before it |
| any of these in a task of `finally` | `run.outcome` too |
| `when` and `params` of a [webhook trigger](webhooks.md) | `event`, and nothing else |

Nothing is ever pasted into a script: a template inside `run` or `shell` is an error. Put the value into `env` and
use the variable. In `exec` a template must be a whole argument, in a `matrix` a whole axis. Templates stand nowhere
else. In a [TaskTemplate](task-templates.md) `params` are its own, and `tasks` and `matrix` come in by `with` alone.
"""


_FILES = {schema.SOURCE: "xene.yaml", schema.CONFIG: "$XENE_HOME/config.yaml"}


def page() -> str:
    """The whole page, as Markdown."""
    parts = [_INTRO.format(size=MAX_BYTES >> 20)]
    for kind in (*schema.KINDS, schema.SOURCE, schema.CONFIG):
        parts.append("\n".join(_kind(kind)))
    parts.append("\n".join(_codes()))
    return "\n".join(parts)


def _kind(kind: str) -> Iterator[str]:
    root = schema.read(kind)
    title = _FILES.get(kind, kind)
    yield f"## {title}\n\n{root['description']}\n"
    for path, place in _places(kind, root, kind.lower()):
        if "." in path:
            yield f"### `{path}`\n\n{place.get('description', '')}\n"
        yield from _table(kind, place)


def _places(kind: str, place: schema.Schema, path: str) -> Iterator[tuple[str, schema.Schema]]:
    """Every place below `place` that has keys of its own, under the path by which `explain` knows it."""
    if place.get("properties"):
        yield path, place
    for name, value in place.get("properties", {}).items():
        whole = schema.keyed(kind, value)
        if whole is not None:
            yield from _places(kind, whole, f"{path}.{name}")


def _table(kind: str, place: schema.Schema) -> Iterator[str]:
    yield "| key | type | default | |\n|---|---|---|---|"
    for child in schema.children(kind, place):
        default = (
            "required" if child.required else "" if child.default is None else f"`{_plain(child.default)}`"
        )
        yield f"| `{child.name}` | {child.type} | {default} | {child.description.replace('|', chr(92) + '|')} |"
    yield ""


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _codes() -> Iterator[str]:
    yield "## Problems\n\nEvery problem is told as `file:line:col: code: message`.\n"
    yield "| code | means |\n|---|---|"
    for code, meaning in CODES.items():
        yield f"| `{code}` | {meaning} |"
    yield ""


if __name__ == "__main__":
    print(page(), end="")
