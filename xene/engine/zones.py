"""Time zones as periods of one offset, from the bytes of a TZif file (RFC 8536). Pure.

The bytes come with what an agent is entrusted with, so both sides read the same rules whatever their hosts have
installed. `engine.schedule` walks the periods; as a `tzinfo` a zone also serves whoever shows local times. What
lies beyond the last transition that the file lists is asked of `zoneinfo`, which reads the rule in its footer.
"""

from __future__ import annotations

import io
import struct
from array import array
from bisect import bisect_right
from datetime import datetime, timedelta, tzinfo
from typing import Iterator, List, NamedTuple, Optional, Tuple
from zoneinfo import ZoneInfo

BEGINNING, END = -(1 << 59), 1 << 61  # seconds since 1970: before and after every instant
_LAST = 253_370_764_800  # 9999-01-01: no date lies beyond that year
_FIRST = -62_135_510_400  # the second day of the year 1
_WEEK = 7 * 86400
_HEADER = struct.Struct(">4sc15x6l")


class Period(NamedTuple):
    """`start` <= instant < `end`, in seconds since 1970, where local time is UTC plus `offset` seconds.

    `before` is the offset that ended at `start` (the same as `offset` in a zone's first period): where it is
    smaller, clocks leapt over a gap then; where it is greater, they showed a fold a second time.
    """

    start: int
    end: int
    offset: int
    before: int


class _Whole(io.BytesIO):
    """A file that does not end in the middle: zoneinfo reads on for ever where the end of its footer is missing."""

    def read(self, size: Optional[int] = -1) -> bytes:
        found = super().read(size)
        if size and not found:
            raise ValueError("it breaks off")
        return found


class Zone(tzinfo):
    """One time zone. Raises ValueError for bytes that are no TZif file."""

    def __init__(self, data: bytes) -> None:
        try:
            self._zone = ZoneInfo.from_file(_Whole(data), key=None)
            times, offsets, self._rule = _transitions(data)
            first = self._offset(max(times[0] - 1, _FIRST) if times else 0)
        except (ValueError, IndexError, KeyError, OverflowError, AssertionError, struct.error) as error:
            # (zoneinfo asserts what the header of the second half says.)
            raise ValueError(f"this is not a time zone file: {error or type(error).__name__}") from None
        self._starts, self._offsets = array("q", [BEGINNING]), array("l", [first])
        for start, offset in zip(times, offsets):
            self._change(start, offset)
        self._known = max(times[-1] if times else 0, 0)  # up to here every change is listed

    def periods(self, after: float) -> Iterator[Period]:
        """The periods from the one that `after` lies in, without end where the zone has a rule."""
        self._learn(after)
        index = bisect_right(self._starts, after) - 1
        while True:
            while index + 1 == len(self._starts) and self._rule and self._known < _LAST:
                self._learn(self._known)
            last = index + 1 == len(self._starts)
            yield Period(
                self._starts[index],
                END if last else self._starts[index + 1],
                self._offsets[index],
                self._offsets[max(index - 1, 0)],
            )
            if last:
                return
            index += 1

    def utcoffset(self, dt: Optional[datetime]) -> Optional[timedelta]:
        return None if dt is None else dt.replace(tzinfo=self._zone).utcoffset()

    def dst(self, dt: Optional[datetime]) -> Optional[timedelta]:
        return None if dt is None else dt.replace(tzinfo=self._zone).dst()

    def tzname(self, dt: Optional[datetime]) -> Optional[str]:
        return None if dt is None else dt.replace(tzinfo=self._zone).tzname()

    def fromutc(self, dt: datetime) -> datetime:
        return self._zone.fromutc(dt.replace(tzinfo=self._zone)).replace(tzinfo=self)

    def _learn(self, until: float) -> None:
        """Find the changes that the rule makes up to `until`, looking once a week: no rule changes twice in one."""
        while self._rule and self._known <= min(until, _LAST):
            begin, self._known = self._known, self._known + _WEEK
            offset = self._offset(self._known)
            if offset != self._offsets[-1]:
                self._change(self._moment(begin, self._known), offset)

    def _moment(self, low: int, high: int) -> int:
        """The first second of (low, high] with the offset of `high`."""
        wanted = self._offset(high)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._offset(middle) == wanted else (middle, high)
        return high

    def _change(self, start: int, offset: int) -> None:
        if offset != self._offsets[-1]:
            self._starts.append(start)
            self._offsets.append(offset)

    def _offset(self, at: int) -> int:
        offset = datetime.fromtimestamp(at, self._zone).utcoffset()
        assert offset is not None  # a ZoneInfo always has one
        return offset.days * 86400 + offset.seconds


def load_zone(data: bytes) -> Zone:
    """The zone in the bytes of a TZif file. Raises ValueError for what is none."""
    return Zone(data)


def _transitions(data: bytes) -> Tuple[List[int], List[int], bool]:
    """Instants at which another offset begins, these offsets, and whether a rule goes on after the last one."""
    version, counts, begin = _header(data, 0)
    if version == b"\0":
        return (*_block(data, begin, counts, 4), False)
    _, counts, begin = _header(data, begin + _size(counts, 4))
    footer = data[begin + _size(counts, 8) :]
    return (*_block(data, begin, counts, 8), b"," in footer)


Counts = Tuple[int, int, int, int, int, int]  # isutc, isstd, leap seconds, transitions, types, characters


def _header(data: bytes, at: int) -> Tuple[bytes, Counts, int]:
    """Version, counts, and where the block begins."""
    magic, version, *counts = _HEADER.unpack_from(data, at)
    if magic != b"TZif" or min(counts) < 0:
        raise ValueError("no TZif header")
    isutc, isstd, leap, changes, types, chars = counts
    return version, (isutc, isstd, leap, changes, types, chars), at + _HEADER.size


def _size(counts: Counts, width: int) -> int:
    isutc, isstd, leap, changes, types, chars = counts
    return changes * (width + 1) + types * 6 + chars + leap * (width + 4) + isstd + isutc


def _block(data: bytes, begin: int, counts: Counts, width: int) -> Tuple[List[int], List[int]]:
    changes, types = counts[3], counts[4]
    times = struct.unpack_from(f">{changes}{'q' if width == 8 else 'l'}", data, begin)
    kinds = struct.unpack_from(f">{changes}B", data, begin + changes * width)
    table = [
        struct.unpack_from(">lBB", data, begin + changes * (width + 1) + 6 * index)[0]
        for index in range(types)
    ]
    return list(times), [table[kind] for kind in kinds]
