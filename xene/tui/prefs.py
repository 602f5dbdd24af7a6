"""What the screen keeps from one time to the next: theme, saved views. One small file of JSON in the home."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any, Callable

from xene.errors import Storage
from xene.store import files

FILE = "status.json"
MOST = 1024 * 1024  # characters that are read of it
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
    return kept(home) or Prefs()


def kept(home: str) -> Prefs | None:
    """What stands in the file now; None where nothing does that could be kept by this."""
    try:
        with open(os.path.join(home, FILE), encoding="utf-8", opener=_opener) as file:
            data = json.loads(file.read(MOST))
        views = tuple(
            View(str(each["name"]), str(each["filter"]), str(each["sort"])) for each in data["views"]
        )
        return Prefs(str(data["theme"]), views)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _opener(path: str, flags: int) -> int:
    """A pipe of that name is nobody to wait for."""
    return os.open(path, flags | os.O_NONBLOCK)


def change(home: str, now: Prefs, changed: Callable[[Prefs], Prefs]) -> Prefs:
    """Keep what `changed` makes of what stands in the file, which another screen may have written since; give it.

    `now` is taken where nothing stands there. What is no such file is put aside. Raises Storage.
    """
    stored = kept(home)
    if stored is None:
        _put_aside(os.path.join(home, FILE))
    wanted = changed(now if stored is None else stored)
    write(home, wanted)
    return wanted


def _put_aside(path: str) -> None:
    try:
        os.rename(path, f"{path}.broken")
    except OSError:
        pass  # there is none, as at the beginning; or nothing can be written here, which the writing tells


def write(home: str, prefs: Prefs) -> None:
    """Keep them, whole or not at all. Raises Storage."""
    path = os.path.join(home, FILE)
    part = f"{path}.{os.getpid()}.part"
    try:
        files.make_private_directory(home)
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(_data(prefs), file, indent=1)
        os.rename(part, path)
    except OSError as error:
        _remove(part)
        raise Storage(f"{path} cannot be written: {error.strerror}", hint="the screen forgets this") from None


def _remove(part: str) -> None:
    try:
        os.unlink(part)
    except OSError:
        pass  # it has not come to be


def _data(prefs: Prefs) -> dict[str, Any]:
    return {"theme": prefs.theme, "views": [asdict(view) for view in prefs.views]}


def with_view(prefs: Prefs, view: View) -> Prefs:
    """With this view, in the place of one of the same name."""
    others = [each for each in prefs.views if each.name != view.name]
    return Prefs(prefs.theme, tuple(sorted([*others, view], key=lambda each: each.name)))


def without_view(prefs: Prefs, name: str) -> Prefs:
    """Without the view of that name."""
    return Prefs(prefs.theme, tuple(each for each in prefs.views if each.name != name))
