"""`$XENE_HOME/config.yaml`, read and judged: what the owner of the control host lets manifests use."""

from __future__ import annotations

import os
from typing import Any

from xene.errors import InvalidManifest
from xene.secrets import private
from xene.secrets.config import allow_of
from xene.secrets.sources import Sources

FILE = "config.yaml"


def settings(home: str) -> dict[str, Any]:
    """What the file says, `{}` without one. Raises InvalidManifest, NotTrusted, Storage."""
    path = os.path.join(home, FILE)
    data = private.read(path, readable=True)
    if not data:
        return {}
    from xene.manifest.load import load_config
    from xene.manifest.problems import render

    found, problems = load_config(data, path)
    if problems:
        raise InvalidManifest(render(problems[0]), hint="xene explain config")
    return found


def sources(home: str) -> Sources:
    """Where the values of secrets come from, for one pass. Reads nothing yet."""
    return Sources(home, lambda: allow_of(settings(home)))
