"""A directory of manifests that the controller keeps the state in line with. Called by `control.daemon`.

Applying is `control.apply`'s; this says when, and keeps in the state what came of it: a directory that is wrong
changes nothing, and everybody can see that and why.
"""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import asdict, dataclass, replace

from xene.control import apply as applying
from xene.control.place import Place
from xene.errors import InvalidManifest, Storage, XeneError
from xene.manifest import repository as repositories
from xene.manifest.repository import Repository
from xene.store import events
from xene.store.db import State

META = "repo"  # the key in the state's `meta`
REFUSED, MENDED = "ApplyRefused", "ApplyMended"  # reasons of events
SOURCE = applying.SOURCE
KEPT = 600.0  # seconds after which `looked_at` is written down, where nothing else is new


@dataclass(frozen=True)
class Standing:
    """What became of the directory last. `error` is "" where the state matches it; times are seconds since 1970.

    `revision` is the git commit that was applied last, "" where git is not used.
    """

    directory: str
    source: str
    looked_at: float
    applied_at: float | None = None
    revision: str = ""
    error: str = ""


def read(conn: sqlite3.Connection) -> Standing | None:
    """What the state knows about its directory; None where no controller watches one."""
    row = conn.execute("SELECT value FROM meta WHERE key = ?", (META,)).fetchone()
    return None if row is None or not row[0] else Standing(**json.loads(row[0]))


def write(conn: sqlite3.Connection, standing: Standing | None) -> None:
    """Keep it, in the place of what was there; None: no directory is watched any more."""
    text = "" if standing is None else json.dumps(asdict(standing))
    conn.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (META, text),
    )


@dataclass(frozen=True)
class Wanted:
    """What is to be applied. `tree` is where the directory's files are, "" where nothing could be had yet.

    `top` are the two names of the repository's top: where it is laid out, and where people know it. `error` is why
    there may be something newer than `revision`.
    """

    directory: str
    tree: str
    top: tuple[str, str] = ("", "")
    revision: str = ""
    error: str = ""

    def shown(self, text: str) -> str:
        """Text about files as people know them."""
        return text.replace(*self.top) if self.top[0] else text


def bring(place: Place, state: State, wanted: Wanted) -> Standing:
    """Make the state match what is wanted, or keep it as it is and say why. Only for the holder of the lock.

    Removing is what a directory in git means, so nobody is asked; removing more than half, or all, is refused
    here as it is by `apply`. Raises Storage.
    """
    with state.snapshot() as conn:
        before = read(conn)
    if before is not None and before.directory != wanted.directory:
        before = None
    old = before or Standing(wanted.directory, wanted.directory, 0.0)
    error, found = wanted.error, old
    if wanted.tree:
        try:
            found = _applied(place, state, wanted, old)
        except Storage:
            raise  # the state, not the directory: the controller tries again
        except (XeneError, OSError) as problem:
            words = wanted.shown(_words(problem))
            error = f"{error}; and {words}" if error else words
    standing = replace(found, looked_at=time.time(), error=error)
    _keep(state, before, standing)
    return standing


def _applied(place: Place, state: State, wanted: Wanted, old: Standing) -> Standing:
    """What it is after it was applied. Raises what keeps it from being."""
    repository = _load(place, wanted.tree)
    source = wanted.shown(repository.source)
    options = applying.Options(yes=True, source=source, revision=wanted.revision or None)
    plan = applying.commit(state, repository, options)
    at = time.time() if plan.differs or old.applied_at is None else old.applied_at
    return replace(old, source=source, applied_at=at, revision=wanted.revision)


def _load(place: Place, directory: str) -> Repository:
    """The repository, whole and right. Raises InvalidManifest with the first problem, NotFound."""
    repository = repositories.load(directory, templates=lambda: applying.templates(place))
    known = applying.known(place) | {(entry.kind, entry.name) for entry in repository.entries}
    problems = [*repository.problems, *repositories.unresolved(repository, known)]
    if problems:
        first = min(problems, key=lambda problem: (problem.file, problem.line, problem.col))
        more = f" (and {len(problems) - 1} more: xene validate {directory})" if len(problems) > 1 else ""
        raise InvalidManifest(f"{first.file}:{first.line}:{first.col}: {first.message}{more}")
    return repository


def _words(problem: Exception) -> str:
    if isinstance(problem, XeneError):
        return f"{problem.message}; {problem.hint}" if problem.hint else problem.message
    return str(problem)


def _keep(state: State, before: Standing | None, standing: Standing) -> None:
    """Store it, and tell trouble that is new, or over, as an event. That it was applied, `apply` tells."""
    late = before is None or not 0 <= standing.looked_at - before.looked_at < KEPT
    if not late and replace(standing, looked_at=0.0) == replace(before or standing, looked_at=0.0):
        return  # a write would wake up all who look at the state
    with state.transaction() as conn:
        write(conn, standing)
        was = before.error if before else ""
        if standing.error and was != standing.error:
            events.note(conn, standing.looked_at, SOURCE, standing.source, REFUSED, standing.error)
        elif was and not standing.error:
            events.note(conn, standing.looked_at, SOURCE, standing.source, MENDED, "the state has it again")
