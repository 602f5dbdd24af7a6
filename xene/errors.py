"""The error tree: every failure that a user may see, with its exit code and a remedy.

Raised anywhere, turned into an exit in one place (`xene.cli`). It ships to hosts: standard library only.
"""

from __future__ import annotations


class XeneError(Exception):
    """What went wrong, in words for people; `hint` says what to do about it. `code` names it for programs."""

    exit_code = 70
    code = "internal"

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code:
            self.code = code


class Usage(XeneError):
    """The command line, or a parameter given on it, is wrong."""

    exit_code = 2
    code = "usage"


class InvalidManifest(XeneError):
    """A manifest is invalid; nothing was changed. `manifest.problems` lists what and where."""

    exit_code = 3
    code = "invalid-manifest"


class NotFound(XeneError):
    """No such object."""

    exit_code = 4
    code = "not-found"


class Unplaceable(XeneError):
    """No agent can take it."""

    exit_code = 5
    code = "not-scheduled"


class Unreachable(XeneError):
    """An agent cannot be reached. `code` is the agent's CamelCase reason, for example `ConnectionRefused`."""

    exit_code = 5
    code = "Unreachable"


class TimedOut(XeneError):
    """The waiting ended before what was waited for."""

    exit_code = 6
    code = "timed-out"


class Conflict(XeneError):
    """The state moved since the plan, a guard refused, or it had ended already."""

    exit_code = 7
    code = "conflict"


class NotTrusted(XeneError):
    """A host key, a token or a file mode is not to be trusted."""

    exit_code = 8
    code = "Untrusted"


class Storage(XeneError):
    """Disk full, state locked, damaged, of a newer version, or on a network file system."""

    exit_code = 74
    code = "storage"


class Garbled(XeneError):
    """What came over a wire is not what the protocol allows."""

    code = "Garbled"


class Detached(XeneError):
    """Ctrl-C while following: the work goes on."""

    exit_code = 130
    code = "detached"
