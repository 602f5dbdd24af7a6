"""What to do about an error that is none of ours: the system's get an exit code, bugs get a report. Used by `cli`.

A report holds the traceback and the command line; never an environment value, a param's value or a local.
"""

from __future__ import annotations

import errno
import os
import platform
import re
import sys
import tempfile
import time
import traceback
from typing import Sequence

from xene import __version__
from xene.commands.call import xene_home
from xene.errors import NotTrusted, Storage, XeneError
from xene.store import files

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM}
_SECRET = re.compile("(?i)token|secret|passw|key|credential|auth")


def of_the_system(error: Exception) -> XeneError | None:
    """The user's error behind one of Python's: no memory, disk full, not allowed, a damaged state. Else None."""
    if isinstance(error, MemoryError):
        return Storage("out of memory", hint="free some memory and try again")
    if isinstance(error, OSError) and error.errno in _FULL | _NOT_ALLOWED:
        where = f"{error.filename}: " if error.filename else ""
        message = f"{where}{os.strerror(error.errno or 0)}"
        if error.errno in _FULL:
            return Storage(message, hint="make room there, or point --state and XENE_HOME elsewhere")
        return NotTrusted(message, hint="check the owner and the mode of that path") if where else None
    if type(error).__module__ == "sqlite3":
        return Storage(
            f"the state cannot be used: {error}", hint="is another program holding or changing it?"
        )
    return None


def write(error: BaseException, words: Sequence[str]) -> str:
    """Write a crash report, 0600; its path. Where no file can be written, what to do instead."""
    text = report(error, words)
    moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    name = f"crash-{moment}-{os.getpid()}-{time.monotonic_ns() % 10**6:06d}.txt"
    for directory in (os.path.join(xene_home(), "crashes"), tempfile.gettempdir()):
        try:
            return _write(directory, name, text)
        except (OSError, XeneError):
            continue  # the next place; the disk may be what is broken
    return "no file: none could be written"


def _write(directory: str, name: str, text: str) -> str:
    files.make_private_directory(directory)
    path = os.path.join(directory, name)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", errors="backslashreplace") as file:
        file.write(text)
    return path


def report(error: BaseException, words: Sequence[str]) -> str:
    """The text of a crash report."""
    head = [
        f"xene {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"command: xene {' '.join(_without_values(words))}",
        f"encoding: {sys.getfilesystemencoding()}, time: {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}",
        "",
    ]
    return _scrubbed("\n".join(head) + "\n" + "".join(traceback.format_exception(error)))


def _without_values(words: Sequence[str]) -> list[str]:
    """The command line; of `-p K=V` only the key."""
    return [
        re.sub(r"^((?:-p|--param=?)?[A-Za-z_][\w-]*=).*", r"\1***", word, flags=re.DOTALL) for word in words
    ]


def _scrubbed(text: str) -> str:
    """`text` without the value of any environment variable that looks like a secret."""
    for name, value in os.environ.items():
        if len(value) >= 6 and _SECRET.search(name):
            text = text.replace(value, "***")
    return text
