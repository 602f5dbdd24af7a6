"""What became of the directory that a controller keeps the state in line with: one value in `meta`, for all to see.

Called by `control.gitops`, which writes it, and by whoever tells people how things stand.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass

META = "repo"  # the key in the state's `meta`


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
