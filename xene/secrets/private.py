"""Files that nobody else may read or write: read with a look at their mode, made whole or not at all."""

from __future__ import annotations

import os
import stat

from xene.errors import NotTrusted, Storage

LARGEST = 1 << 20  # bytes


def read(path: str, *, readable: bool = False) -> bytes | None:
    """The bytes of a file of this user, None where there is none. Raises NotTrusted (8) and Storage.

    Nobody else may write to it, nor, unless `readable`, read it.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Storage(f"{path} cannot be read: {error.strerror}", hint="check its owner and mode") from None
    with open(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise NotTrusted(f"{path} is not a plain file")
        if found.st_uid not in (os.geteuid(), 0):
            raise NotTrusted(f"{path} belongs to another user", hint="make it anew as your own")
        if found.st_mode & (0o022 if readable else 0o077):
            mode = "0644" if readable else "0600"
            raise NotTrusted(
                f"{path} has mode {found.st_mode & 0o777:04o}: others may {'change' if readable else 'read'} it",
                hint=f"chmod {mode} {path}",
            )
        return file.read(LARGEST)


def make(path: str, data: bytes) -> bool:
    """Write a file (0600) that is not there yet; whether it was this call that made it. Raises Storage."""
    scratch = f"{path}.{os.getpid()}.new"
    try:
        _make_directory(os.path.dirname(path))
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with open(handle, "wb") as file:
                os.fchmod(handle, 0o600)
                file.write(data)
                file.flush()
                os.fsync(handle)
            os.link(scratch, path)  # unlike a rename, this never replaces
        finally:
            os.unlink(scratch)
    except FileExistsError:
        return False
    except OSError as error:
        raise Storage(f"{path} cannot be written: {error.strerror}", hint="check XENE_HOME") from None
    return True


def _make_directory(path: str) -> None:
    if not os.path.isdir(path):
        os.makedirs(path, mode=0o700, exist_ok=True)
        os.chmod(path, 0o700)
