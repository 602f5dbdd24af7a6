"""What a time zone's name means on this host: the names that a manifest may use, and the bytes of their TZif files.

Called by the checks of manifests, by control, which sends the bytes to agents with what it entrusts them with, and
by commands that show local times. The system's zones come first, since its updates keep them current; those of the
`tzdata` package serve where it has none. What the bytes mean is `engine.zones`.
"""

from __future__ import annotations

import os
import re
import zoneinfo
from functools import lru_cache
from hashlib import sha256

from xene.engine.zones import Zone, load_zone

_NAME = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,3}\Z")
# Not IANA's: the host's own zone, and copies that count leap seconds, which time on Unix does not.
_HOST_ONLY = frozenset({"localtime", "posixrules", "posix", "right"})
_LOCAL, _NAMED = "/etc/localtime", "/etc/timezone"
_LARGEST = 1 << 16  # bytes; the largest of today has 4,000


def zone_bytes(name: str) -> bytes:
    """The TZif file of an IANA zone. Raises KeyError where there is no such zone here."""
    if not _NAME.match(name) or name.partition("/")[0] in _HOST_ONLY:
        raise KeyError(name)
    for root in _roots():
        data = _read(os.path.join(root, *name.split("/")))
        if data.startswith(b"TZif"):
            return data
    raise KeyError(name)


def of_host() -> str:
    """The name of this host's own zone, UTC where it has none that IANA knows."""
    told = (
        os.environ.get("TZ", "").removeprefix(":"),
        _link(),
        _read(_NAMED).decode("ascii", "replace").strip(),
    )
    for name in told:
        try:
            zone_bytes(name)
        except KeyError:
            continue
        return name.removeprefix("Etc/") if name.endswith("/UTC") else name
    return _alike(_read(_LOCAL)) or "UTC"


def _link() -> str:
    """What /etc/localtime leads to, below the directory of zones."""
    return os.path.realpath(_LOCAL).partition("zoneinfo/")[2]


def _alike(data: bytes) -> str | None:
    """A zone with these bytes, where /etc/localtime is a copy."""
    return next((name for name in names() if zone_bytes(name) == data), None) if data else None


def digest(data: bytes) -> str:
    """What charges call a zone by: 16 hex digits that follow from its bytes."""
    return sha256(data).hexdigest()[:16]


@lru_cache(maxsize=1024)
def zone_of(name: str) -> Zone:
    """The zone of that name, as this host knows it. Raises KeyError where there is none, ValueError where its file
    is damaged."""
    return load_zone(zone_bytes(name))


def names() -> list[str]:
    """All names that `zone_bytes` knows, for a did-you-mean and for completion: some 20 ms."""
    return sorted(name for name in zoneinfo.available_timezones() if name.partition("/")[0] not in _HOST_ONLY)


def _roots() -> tuple[str, ...]:
    return (*zoneinfo.TZPATH, _packaged())


@lru_cache(maxsize=1)
def _packaged() -> str:
    """The directory of the zones in the `tzdata` package."""
    import tzdata

    return os.path.join(os.path.dirname(os.path.abspath(tzdata.__file__)), "zoneinfo")


def _read(path: str) -> bytes:
    """A file's beginning, b"" where there is none."""
    try:
        with open(path, "rb") as file:
            return file.read(_LARGEST)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
        return b""
