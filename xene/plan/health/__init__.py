"""What `xene doctor` finds: one line for each thing that was looked at, with a remedy where it is not well. Pure.

`host` judges what a host said of itself, `control` the control host. They only judge; `control.doctor` gathers.
"""

from __future__ import annotations

from typing import NamedTuple

OK, WARNING, PROBLEM, SKIPPED = "ok", "warning", "problem", "skipped"
FOUND = (WARNING, PROBLEM)  # what makes the exit code 1

ROOM = 1024 * 1024 * 1024  # bytes that should be free on a disk
LITTLE_ROOM = 64 * 1024 * 1024  # bytes without which things break now


class Check(NamedTuple):
    """One thing that was looked at: `level` is ok, warning, problem or skipped; `remedy` is "" where it is well."""

    name: str
    level: str
    message: str
    remedy: str = ""


def room(name: str, where: str, free: int, inodes: int | None) -> Check:
    """Whether a disk has room: `free` bytes, and `inodes` files, None where it does not count them."""
    remedy = f"free some space on the disk that holds {where}; `xene gc` frees what Xene can"
    if inodes is not None and inodes < 1000:
        return Check(
            name, PROBLEM, f"the disk that holds {where} has room for {inodes} more files only", remedy
        )
    if free < ROOM:
        level = PROBLEM if free < LITTLE_ROOM else WARNING
        return Check(name, level, f"the disk that holds {where} has {free // 2**20} Mi left", remedy)
    return Check(name, OK, f"{free / 2**30:.1f} Gi free on the disk that holds {where}")
