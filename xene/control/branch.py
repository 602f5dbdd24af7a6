"""Following a branch in git: the real git fetches it, and a commit of it is laid out in a directory of our own.

Called by `control.keeping`. The user's work tree is never touched: what is applied is a whole commit, however the
process ends, and whatever somebody edits there. What a `Branch` has seen is found in `seen`; what it puts into the
inbox carries no data.
"""

from __future__ import annotations

import os
import shutil
import threading
from typing import NamedTuple

from xene.control import git
from xene.control.watch import Inbox, Moved
from xene.errors import Unreachable, XeneError
from xene.store.files import make_private_directory

EVERY = 30.0  # seconds between two looks


class Seen(NamedTuple):
    """The last look: `tree` holds the directory as it is in commit `revision`; both "" where nothing was had yet.

    `root` is the top of the user's work tree. `error` is why the look was in vain, or only half of one.
    """

    tree: str
    root: str
    revision: str
    error: str


NOTHING = Seen("", "", "", "")


class Branch:
    """Looks at once and every `EVERY` seconds, on a thread of its own, until it is closed.

    `checkout` is the directory for the commit; nobody else may use it. Whoever reads there holds `still`, and finds
    in `seen` what it is; `seen` is None until the first look is over.
    """

    def __init__(self, directory: str, checkout: str, inbox: Inbox) -> None:
        self._directory, self._checkout, self._inbox = directory, checkout, inbox
        self.seen: Seen | None = None
        self.still = threading.Lock()
        self._wake, self._closing = threading.Event(), False
        self._thread = threading.Thread(target=self._follow, name="xene-git", daemon=True)
        self._thread.start()

    @property
    def top(self) -> str:
        """Where the top of the work tree is laid out."""
        return os.path.join(self._checkout, "now")

    def look_again(self) -> None:
        """Look now."""
        self._wake.set()

    def close(self) -> None:
        """Look no more. A fetch that is under way is left to itself, and changes nothing any more."""
        self._closing = True
        self._wake.set()

    def _follow(self) -> None:
        while not self._closing:
            self._wake.clear()
            before = self.seen
            self._look()
            if self.seen != before and not self._closing:
                self._inbox.put(Moved())
            self._wake.wait(EVERY)

    def _look(self) -> None:
        """Fetch, and lay out what is new. Without a connection what was fetched before still counts."""
        before = self.seen or NOTHING
        try:
            root = git.root(self._directory)
            ref = git.upstream(self._directory)
            error = _fetched(self._directory) if ref.startswith("refs/remotes/") else ""
            revision = git.commit(self._directory, ref)
            inside = os.path.relpath(os.path.realpath(self._directory), os.path.realpath(root))
            found = Seen(os.path.normpath(os.path.join(self.top, inside)), root, revision, error)
            part = self._laid_out(root, revision) if revision != before.revision else None
            self._take(found, part)
        except (XeneError, OSError) as problem:
            words = problem.message if isinstance(problem, XeneError) else str(problem)
            self._take(before._replace(error=words), None)

    def _laid_out(self, root: str, revision: str) -> str:
        """The commit as files, beside the one that is in use."""
        part = os.path.join(self._checkout, "next")
        shutil.rmtree(part, ignore_errors=True)
        make_private_directory(part)
        git.lay_out(root, revision, part)
        return part

    def _take(self, found: Seen, part: str | None) -> None:
        """What was found counts from now on, and its files are there: for whoever does not read just now."""
        with self.still:
            if self._closing:
                return
            if part is not None:
                old = os.path.join(self._checkout, "old")
                shutil.rmtree(old, ignore_errors=True)
                if os.path.lexists(self.top):
                    os.rename(self.top, old)
                os.rename(part, self.top)
                shutil.rmtree(old, ignore_errors=True)
            self.seen = found


def _fetched(directory: str) -> str:
    """Why nothing could be fetched, "" where it was."""
    try:
        git.fetch(directory)
        return ""
    except Unreachable as problem:
        return problem.message
