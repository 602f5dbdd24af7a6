"""What a schema cannot say about a Secret. Pure. Called by `load`."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Iterator

from xene.engine.texts import OPEN
from xene.manifest.checks import fields, items, text
from xene.manifest.findings import Finding, Path
from xene.manifest.problems import quoted

_BEGIN, _END = "-----BEGIN AGE ENCRYPTED FILE-----", "-----END AGE ENCRYPTED FILE-----"
_WIDTH = 64  # characters of a line of armour (RFC 7468, strict)
_SEAL = "take all that 'xene secret seal NAME' printed, indented below 'age: |'"


def secret_findings(data: Any, has_templates: bool) -> Iterator[Finding]:
    """Everything that is wrong with a secret's meaning."""
    spec = fields(data, "spec")
    armour = text(spec, "age")
    if armour is not None and armour.startswith(_BEGIN):
        yield from _armour(armour, ("spec", "age"))
    yield from _program(items(spec, "command"), ("spec", "command", 0))
    if has_templates:
        yield from _templates(data, ())


def _armour(armour: str, path: Path) -> Iterator[Finding]:
    lines = armour.strip().split("\n")
    if lines[-1] != _END:
        yield Finding(path, "wrong-value", f"the armour does not end with {quoted(_END)}", _SEAL)
        return
    body = lines[1:-1]
    whole = all(len(line) == _WIDTH for line in body[:-1]) and body and len(body[-1]) <= _WIDTH
    if not whole or not _decoded("".join(body)).startswith(b"age-encryption.org/v1\n"):
        yield Finding(path, "wrong-value", "this is no armoured age text", _SEAL)


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _program(command: list[Any], path: Path) -> Iterator[Finding]:
    program = command[0] if command else None
    if not isinstance(program, str):
        return
    if program == "":
        yield Finding(path, "wrong-value", "the program to start must not be empty")
    elif "/" in program and not program.startswith("/"):
        hint = "name a program of the PATH, or an absolute path"
        yield Finding(path, "wrong-value", f"{quoted(program)} is a relative path", hint)


def _templates(value: Any, path: Path) -> Iterator[Finding]:
    if isinstance(value, str) and OPEN in value:
        yield Finding(path, "bad-template", "templates are for workflows; a Secret has none", nth=0)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _templates(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _templates(inner, (*path, index))
