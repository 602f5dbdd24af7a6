"""What a schema cannot say about an Agent. Pure. Called by `load`."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Iterator

from xene.engine.texts import OPEN
from xene.manifest.findings import Finding, Path
from xene.manifest.plain import fields, text
from xene.manifest.problems import quoted


def agent_findings(data: Any, has_templates: bool) -> Iterator[Finding]:
    """Everything that is wrong with an agent's meaning."""
    ssh = fields(fields(data, "spec"), "ssh")
    key = text(ssh, "hostKey")
    if key is not None:
        yield from _host_key(key, ("spec", "ssh", "hostKey"))
    if has_templates:
        yield from _templates(data, ())


def _host_key(key: str, path: Path) -> Iterator[Finding]:
    words = key.split(" ")
    hint = "copy type and base64, without the comment, from the host's /etc/ssh/ssh_host_ed25519_key.pub"
    if len(words) != 2 or not _is_key(words[0], words[1]):
        yield Finding(path, "wrong-value", f"{quoted(key)} is not a host key", hint)


def _is_key(kind: str, encoded: str) -> bool:
    """Whether the base64 begins with the key's type as SSH writes it (RFC 4253, 6.6)."""
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    length = int.from_bytes(blob[:4], "big")
    return len(blob) > 4 + length and blob[4 : 4 + length] == kind.encode()


def _templates(value: Any, path: Path) -> Iterator[Finding]:
    if isinstance(value, str) and OPEN in value:
        yield Finding(path, "bad-template", "templates are for workflows; an Agent has none", nth=0)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _templates(inner, (*path, key))
