"""What `$XENE_HOME/config.yaml` allows manifests to use on the control host. By default nothing.

The file's text is parsed by `manifest.load.load_config`; `control.settings` joins the two rooms. Pure but for
looking at the file system.
"""

from __future__ import annotations

import fnmatch
import os
import shutil
from dataclasses import dataclass
from typing import Any, Mapping

WILD = "*?["


@dataclass(frozen=True)
class Allow:
    """`files` are globs, `commands` names or paths of programs."""

    files: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()

    def covers(self, real: str) -> bool:
        """Whether the file at the path `real`, in which no link is left, may be read."""
        return any(_matches(_parts(_grounded(glob)), _parts(real)) for glob in self.files)

    def program(self, word: str) -> str | None:
        """The path of the program that a manifest calls `word`; None where it is not there, or not allowed."""
        found = shutil.which(word) if "/" not in word else word
        if found is None:
            return None
        for entry in self.commands:
            same = word == entry if "/" not in entry else _real(entry) == _real(found)
            if same:
                return found
        return None


def allow_of(config: Mapping[str, Any]) -> Allow:
    """From the data of config.yaml, which has passed its schema."""
    allow = config.get("allow", {})
    return Allow(tuple(allow.get("files", ())), tuple(allow.get("commands", ())))


def _real(path: str) -> str:
    return os.path.realpath(os.path.expanduser(path))


def _grounded(glob: str) -> str:
    """The glob with the links in its part without wildcards followed, as they are in the file's path."""
    parts = os.path.expanduser(glob).split("/")
    fixed = next((n for n, part in enumerate(parts) if any(c in part for c in WILD)), len(parts))
    return "/".join([os.path.realpath("/".join(parts[:fixed]) or "/").rstrip("/"), *parts[fixed:]])


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _matches(glob: list[str], path: list[str]) -> bool:
    if not glob:
        return not path
    if glob[0] == "**":
        return any(_matches(glob[1:], path[n:]) for n in range(len(path) + 1))
    return bool(path) and fnmatch.fnmatchcase(path[0], glob[0]) and _matches(glob[1:], path[1:])
