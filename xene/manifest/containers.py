"""Checks of a context's container. Pure. Called by `checks`."""

from __future__ import annotations

import re
from typing import Any, Iterator

from xene.manifest.findings import Finding, Path
from xene.manifest.plain import fields, items, text
from xene.manifest.problems import quoted
from xene.model.units import parse_size

_MOUNT = re.compile(r"(?P<host>(?:/|~/|~(?=:))[^:]*):(?P<inside>/[^:]*)(?::(?:ro|rw))?\Z")
_OTHER_SIZE = re.compile(r"(\d+)\s*([kmgt])i?b?\Z", re.IGNORECASE)
_FORM = "write HOST:CONTAINER, or with :ro or :rw behind it"


def container_findings(context: Any, path: Path) -> Iterator[Finding]:
    """What is wrong with the container of a context."""
    container, place = fields(context, "container"), (*path, "container")
    seen: dict[str, int] = {}
    for index, mount in enumerate(items(container, "mounts")):
        if not isinstance(mount, str):
            continue
        match = _MOUNT.match(mount)
        if match is None:
            message = f"{quoted(mount)} is not a mount"
            yield Finding((*place, "mounts", index), "wrong-value", message, _mount_hint(mount))
        elif seen.setdefault(match["inside"].rstrip("/"), index) != index:
            message = f"two mounts are at {quoted(match['inside'])} in the container"
            yield Finding((*place, "mounts", index), "wrong-value", message)
    yield from _memory(fields(container, "limits"), (*place, "limits"))


def _mount_hint(mount: str) -> str:
    host, colon, rest = mount.partition(":")
    inside, _, options = rest.partition(":")
    if not colon:
        return _FORM
    if not host.startswith(("/", "~/")):
        return "the path on the host must be absolute or begin with ~/"
    if not inside.startswith("/"):
        return "the path in the container must be absolute"
    return f"behind the second ':' stands ro or rw, not {quoted(options)}"


def _memory(limits: Any, path: Path) -> Iterator[Finding]:
    memory = text(limits, "memory")
    if not memory:
        return
    place = (*path, "memory")
    try:
        size = parse_size(memory)
    except ValueError:
        match = _OTHER_SIZE.match(memory)
        better = f"write {match[1]}{match[2].upper()}i" if match else "write it like 512Mi or 2Gi"
        yield Finding(place, "wrong-value", f"{quoted(memory)} is not a size", better)
        return
    if size == 0:
        yield Finding(
            place, "wrong-value", "a limit of memory must be more than nothing", "leave it out for no limit"
        )
    elif memory.isdigit() and size < 1 << 20:
        yield Finding(
            place, "wrong-value", f"{quoted(memory)} are bytes, too few for any process", f"write {memory}Mi"
        )
