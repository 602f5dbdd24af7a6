"""Which revision of a repository of manifests is applied: recorded with every apply, for people.

Called by `control.apply`. A directory that git does not know has none, and that is no error.
"""

from __future__ import annotations

import os

from xene.errors import XeneError


def of(path: str) -> str:
    """The commit that stands at `path`, with `+changes` where something there is in no commit; "" without git."""
    directory = os.path.realpath(path if os.path.isdir(path) else os.path.dirname(path) or ".")
    if not _is_in_git(directory):
        return ""
    from xene.control import git

    try:
        return git.commit(directory, "HEAD") + ("+changes" if git.is_changed(directory) else "")
    except XeneError:  # no git here, no commit yet, another user's: what is applied does not depend on it
        return ""


def shown(revision: str) -> str:
    """How it is told: ` at 1a2b3c4d5e6f+changes`; "" for none."""
    commit, plus, _ = revision.partition("+")
    return f" at {commit[:12]}{'+changes' if plus else ''}" if commit else ""


def _is_in_git(directory: str) -> bool:
    """Asked of the file system: most places are in no work tree, and a process costs milliseconds."""
    while not os.path.exists(os.path.join(directory, ".git")):
        above = os.path.dirname(directory)
        if above == directory:
            return False
        directory = above
    return True
