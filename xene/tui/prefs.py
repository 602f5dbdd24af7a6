"""What the screen keeps from one time to the next: theme, saved views. One small file of JSON in the home."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any

from xene.errors import Storage

FILE = "status.json"
DARK, LIGHT = "textual-dark", "textual-light"


@dataclass(frozen=True)
class View:
    """A way to look at the pipelines, by name."""

    name: str
    filter: str = ""
    sort: str = "name"


@dataclass(frozen=True)
class Prefs:
    """`theme` is one of textual's."""

    theme: str = DARK
    views: tuple[View, ...] = field(default=())


def read(home: str) -> Prefs:
    """What was kept; what was not, or cannot be read, is as at the beginning."""
    try:
        with open(os.path.join(home, FILE), encoding="utf-8") as file:
            data = json.load(file)
        views = tuple(
            View(str(each["name"]), str(each["filter"]), str(each["sort"])) for each in data["views"]
        )
        return Prefs(str(data["theme"]), views)
    except (OSError, ValueError, KeyError, TypeError):
        return Prefs()


def write(home: str, prefs: Prefs) -> None:
    """Keep them, whole or not at all. Raises Storage."""
    path = os.path.join(home, FILE)
    part = f"{path}.{os.getpid()}.part"
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(_data(prefs), file, indent=1)
        os.rename(part, path)
    except OSError as error:
        raise Storage(f"{path} cannot be written: {error.strerror}", hint="the screen forgets this") from None


def _data(prefs: Prefs) -> dict[str, Any]:
    return {"theme": prefs.theme, "views": [asdict(view) for view in prefs.views]}


def with_view(prefs: Prefs, view: View) -> Prefs:
    """With this view, in the place of one of the same name."""
    others = [each for each in prefs.views if each.name != view.name]
    return Prefs(prefs.theme, tuple(sorted([*others, view], key=lambda each: each.name)))


def without_view(prefs: Prefs, name: str) -> Prefs:
    """Without the view of that name."""
    return Prefs(prefs.theme, tuple(each for each in prefs.views if each.name != name))
