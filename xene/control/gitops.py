"""A directory of manifests that the controller keeps the state in line with. Called by `control.daemon`.

Applying is `control.apply`'s; this says when, and keeps in the state what came of it: a directory that is wrong
changes nothing, and everybody can see that and why.
"""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import asdict, dataclass

from xene.control import apply as applying
from xene.control.place import Place
from xene.errors import XeneError
from xene.manifest import repository as repositories
from xene.manifest.repository import Repository
from xene.store import events
from xene.store.db import State

META = "repo"  # the key in the state's `meta`
APPLIED, REFUSED = "Applied", "ApplyRefused"  # reasons of events
SOURCE = "Source"  # the kind of those events


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


def bring(place: Place, state: State, directory: str, revision: str = "") -> Standing:
    """Make the state match `directory`, or keep it as it is and say why. Only for the holder of the lock.

    Removing is what a directory in git means, so nobody is asked; removing more than half, or all, is refused
    here as it is by `apply`. Raises Storage.
    """
    now = time.time()
    with state.snapshot() as conn:
        before = read(conn)
    source, applied, error = directory, before.applied_at if before else None, ""
    try:
        repository = _load(place, directory)
        source = repository.source
        plan = applying.commit(state, repository, applying.Options(yes=True))
        applied = now if plan.differs or applied is None else applied
    except (XeneError, OSError) as problem:
        error = _words(problem)
    standing = Standing(directory, source, now, applied, revision, error)
    _keep(state, before, standing)
    return standing


def _load(place: Place, directory: str) -> Repository:
    """The repository, whole and right. Raises InvalidManifest with the first problem, NotFound."""
    from xene.errors import InvalidManifest

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
    """Store it, and tell what is new as an event."""
    with state.transaction() as conn:
        write(conn, standing)
        if standing.error and (before is None or before.error != standing.error):
            events.note(conn, standing.looked_at, SOURCE, standing.source, REFUSED, standing.error)
        elif not standing.error and (
            before is None or before.error or before.applied_at != standing.applied_at
        ):
            what = f"from {standing.directory}" + (
                f" at {standing.revision[:12]}" if standing.revision else ""
            )
            events.note(conn, standing.looked_at, SOURCE, standing.source, APPLIED, what)
