"""What `xene status` shows, whole: the state's overview, who is at work on it, the directory that it follows.

Called by the command `status` and by the live screen. It only reads.
"""

from __future__ import annotations

from typing import Any

from xene.control import gitops, lock
from xene.control.gitops import Standing
from xene.model.units import rfc3339
from xene.plan.overview import PERIOD
from xene.store import overview as stored
from xene.store.db import State
from xene.store.rows import Labels, anything

Json = dict[str, Any]


def look(state: State, now: float, labels: Labels = anything, last: int = stored.LAST) -> Json:
    """`{controller, repo, asOf, alarms, pipelines, agents}` of one moment; `labels` are those of the workflows.

    Of each pipeline the `last` newest runs are read.
    """
    with state.snapshot() as conn:
        found = stored.overview(state, since=now - PERIOD, labels=labels, last=last)
        standing = gitops.read(conn)
    pid = lock.controller(state.path)
    return {
        "controller": None if pid is None else {"pid": pid},
        "repo": None if standing is None else repository(standing),
        **{key: found[key] for key in ("asOf", "alarms", "pipelines", "agents")},
    }


def repository(standing: Standing) -> Json:
    """`{directory, source, revision, error, lookedAt, appliedAt}`; None where there is nothing to say."""
    return {
        "directory": standing.directory,
        "source": standing.source,
        "revision": standing.revision or None,
        "error": standing.error or None,
        "lookedAt": rfc3339(standing.looked_at),
        "appliedAt": None if standing.applied_at is None else rfc3339(standing.applied_at),
    }
