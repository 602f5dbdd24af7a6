"""What people said on top of the manifests, as `diff` shows it. Pure; the rows are `store.overrides`."""

from __future__ import annotations

from typing import NamedTuple

_YES = {"suspended": "suspend", "cordoned": "cordon", "drained": "drain"}
_NO = {"suspended": ("resumed", "resume"), "cordoned": ("uncordoned", "uncordon")}


class Override(NamedTuple):
    """One word about an object. `manifest` is what its manifest says after the plan, None where it has no say."""

    kind: str
    name: str
    field: str
    value: bool
    manifest: bool | None


def line(word: Override) -> str:
    """`Workflow shop is suspended by 'xene suspend'; the manifest says suspend: false`."""
    state, verb = (word.field, _YES[word.field]) if word.value else _NO[word.field]
    said = f"{word.kind} {word.name} is {state} by 'xene {verb}'"
    if word.manifest is None:
        return said
    return f"{said}; the manifest says {_YES[word.field]}: {'true' if word.manifest else 'false'}"
