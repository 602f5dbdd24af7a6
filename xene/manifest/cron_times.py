"""Times of crontabs as schedules of Xene, where they differ in form. Pure. Called by `imported`."""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

from xene.engine.cron import parse

_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_RANDOM = re.compile(r"([0-9]{0,2})~([0-9]{0,2})\Z")
_WORDS = {"@every_minute": "* * * * *"}


class Times(NamedTuple):
    """A schedule, and what is to be said about it ("" where there is nothing)."""

    schedule: str
    note: str = ""


def times(when: str, seed: str) -> Times:
    """When a job of a crontab is due. Raises ValueError with a sentence where that cannot be kept.

    Red Hat's and OpenBSD's cron choose a time at random for `A~B`, once; here it is chosen by `seed`.
    """
    if when.lower() == "@reboot":
        raise ValueError("it starts with the machine, which is no time of day")
    plain = _WORDS.get(when.lower(), when.removeprefix("-"))
    fields = plain.split(" ")
    chosen = [
        _chosen(field, bounds, f"{seed} {n}")
        for n, (field, bounds) in enumerate(zip(fields, _BOUNDS, strict=False))
    ]
    schedule = " ".join(chosen) if len(fields) == len(_BOUNDS) else plain
    parse(schedule)
    return Times(schedule, f"cron chose a time at random within {plain}" if schedule != plain else "")


def _chosen(field: str, bounds: tuple[int, int], seed: str) -> str:
    """The field with one number for each `A~B` in it."""
    return ",".join(_number(item, bounds, f"{seed} {n}") for n, item in enumerate(field.split(",")))


def _number(item: str, bounds: tuple[int, int], seed: str) -> str:
    match = _RANDOM.match(item)
    if match is None:
        return item
    low, high = int(match.group(1) or bounds[0]), int(match.group(2) or bounds[1])
    if not bounds[0] <= low <= high <= bounds[1]:
        raise ValueError(f"{item} is no range")
    return str(low + zlib.crc32(seed.encode()) % (high - low + 1))
