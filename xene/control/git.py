"""What is asked of git, by the real program: a revision, where a branch comes from, a tree laid out in files.

Called by `control.branch` and `control.revisions`. It decides nothing, and never touches a work tree or an index
that is not its own. Git must not ask anybody anything: nobody is there.
"""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Mapping

from xene.errors import Unreachable

SECONDS = 60.0  # for one command: a fetch over a slow line
QUICK = 10.0  # for one that only looks
_WORDS = 300  # characters of what git says that are repeated


def ask(directory: str, *words: str, seconds: float = QUICK, env: Mapping[str, str] | None = None) -> str:
    """What git says, without the line's end. Raises Unreachable with its words where it fails or hangs."""
    argv = ["git", "-C", directory, *words]
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **_SILENT, "GIT_SSH_COMMAND": _ssh(), **(env or {})},
            start_new_session=True,  # so that what it started ends with it, and no Ctrl-C is for it
        )
    except FileNotFoundError:
        raise Unreachable("there is no program git here", hint="install git", code="GitFailed") from None
    try:
        out, err = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        raise Unreachable(f"git {words[0]} took longer than {seconds:g} s", code="GitFailed") from None
    if child.returncode != 0:
        said = err.decode("utf-8", "replace").strip()[:_WORDS]
        raise Unreachable(f"git {words[0]}: {said or f'it ended with {child.returncode}'}", code="GitFailed")
    return out.decode("utf-8", "surrogateescape").rstrip("\n")


_SILENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


def _ssh() -> str:
    return os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")


def root(directory: str) -> str:
    """The top of the work tree that `directory` is in. Raises Unreachable where it is in none."""
    return ask(directory, "rev-parse", "--show-toplevel")


def upstream(directory: str) -> str:
    """The ref that the branch which is checked out follows; HEAD where it follows none, or none is checked out."""
    try:
        return ask(directory, "rev-parse", "--symbolic-full-name", "@{upstream}")
    except Unreachable:
        return "HEAD"


def commit(directory: str, ref: str) -> str:
    """The commit that a ref stands at. Raises Unreachable, for example for a branch without a commit."""
    return ask(directory, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")


def fetch(directory: str) -> None:
    """Get what is new where the branch that is checked out comes from. Raises Unreachable."""
    ask(directory, "fetch", "--quiet", seconds=SECONDS)


def is_changed(directory: str) -> bool:
    """Whether something in this directory stands in no commit. Raises Unreachable."""
    return bool(ask(directory, "status", "--porcelain", "--", "."))


def lay_out(root: str, revision: str, into: str) -> None:
    """Write the files of a commit into the directory `into`, through an index of its own. Raises Unreachable.

    As a checkout does it (line ends, filters), and unlike `git archive`, which leaves out what it is told to.
    """
    index = {"GIT_INDEX_FILE": os.path.join(into, ".index")}
    ask(root, "read-tree", revision, seconds=SECONDS, env=index)
    ask(root, "checkout-index", "--all", f"--prefix={into}/", seconds=SECONDS, env=index)
    os.unlink(index["GIT_INDEX_FILE"])
