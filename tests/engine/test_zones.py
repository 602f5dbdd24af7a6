"""Zones from TZif bytes: every period as `zoneinfo` has it, in files of every kind, and beyond what they list."""

from __future__ import annotations

import io
import struct
import zoneinfo
from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.minutes import leaps, utc
from xene.engine.zones import BEGINNING, END, Zone, load_zone
from xene.manifest.zones import zone_bytes

NAMES = (
    "Europe/Berlin", "Europe/Dublin", "Africa/Casablanca", "Australia/Lord_Howe", "Antarctica/Troll", "Etc/GMT+5",
    "UTC", "Pacific/Apia", "America/Nuuk", "Asia/Tokyo", "America/Argentina/Buenos_Aires", "Africa/Monrovia",
)  # fmt: skip


def packaged(name: str) -> bytes:
    """The slim file of the tzdata package: most of its leaps are in the rule alone."""
    return resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


def offset(zone: zoneinfo.ZoneInfo, at: int) -> int:
    found = datetime.fromtimestamp(at, zone).utcoffset()
    assert found is not None
    return int(found.total_seconds())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("read", [zone_bytes, packaged])
def test_periods_are_those_of_zoneinfo(name: str, read: object) -> None:
    data = zone_bytes(name) if read is zone_bytes else packaged(name)
    oracle, zone = zoneinfo.ZoneInfo.from_file(io.BytesIO(data)), load_zone(data)
    begin, end = utc(1965, 1, 1), utc(2060, 1, 1)
    periods = [period for period in islice(zone.periods(begin), 400) if period.start < end]
    assert [period.start for period in periods[1:]] == leaps(oracle, begin, end)
    for period in periods:
        assert period.offset == offset(oracle, max(period.start, begin))
        assert period.offset == offset(oracle, min(period.end, end) - 1)
        if period.start > BEGINNING:
            assert period.before == offset(oracle, period.start - 1)
    assert all(one.end == two.start for one, two in pairwise(periods))


def test_asking_in_any_order_gives_the_same() -> None:
    forward, backward = load_zone(zone_bytes("Europe/Berlin")), load_zone(zone_bytes("Europe/Berlin"))
    years = [utc(year, 6, 1) for year in (1900, 1999, 2026, 2040, 2080, 2500)]
    there = {at: next(backward.periods(at)) for at in reversed(years)}
    assert there == {at: next(forward.periods(at)) for at in years}


def test_a_zone_without_leaps_is_one_period() -> None:
    assert list(load_zone(zone_bytes("UTC")).periods(1.5e9)) == [(BEGINNING, END, 0, 0)]
    assert [period.offset for period in load_zone(zone_bytes("Etc/GMT+5")).periods(0)] == [-18000]


def test_the_end_of_time_is_reached() -> None:
    *_, last = load_zone(zone_bytes("Europe/Berlin")).periods(utc(9990, 1, 1))
    assert last.end == END


def test_a_file_of_the_first_version() -> None:
    """No footer, times of four bytes: one leap in 2001, by an hour."""
    head = struct.pack(">4sc15x6l", b"TZif", b"\0", 0, 0, 0, 1, 2, 8)
    body = struct.pack(">lB", 1_000_000_000, 1) + struct.pack(">lBBlBB", 0, 0, 0, 3600, 1, 4) + b"AAA\0BBB\0"
    zone = load_zone(head + body)
    assert list(zone.periods(0)) == [
        (BEGINNING, 1_000_000_000, 0, 0),
        (1_000_000_000, END, 3600, 0),
    ]


@pytest.mark.parametrize("data", [b"", b"TZif", b"nonsense", b"TZif2" + b"\0" * 39, b"TZif" + b"\xff" * 60])
def test_what_is_no_zone(data: bytes) -> None:
    with pytest.raises(ValueError, match="this is not a time zone file"):
        load_zone(data)


def test_a_file_that_breaks_off_anywhere_is_none() -> None:
    """One that lacks only the end of its footer would be read for ever."""
    data = zone_bytes("Europe/Berlin")
    for end in range(len(data)):
        with pytest.raises(ValueError, match="this is not a time zone file"):
            load_zone(data[:end])


@given(st.binary(max_size=12), st.integers(0, 2400), st.integers(0, 2400))
def test_a_damaged_file_is_a_zone_or_a_value_error(noise: bytes, at: int, end: int) -> None:
    data = bytearray(zone_bytes("Europe/Berlin"))
    data[at : at + len(noise)] = noise
    try:
        zone = load_zone(bytes(data[: max(end, at)]))
    except ValueError:
        return
    assert next(zone.periods(1.7e9)).start <= 1.7e9


def test_it_serves_as_a_tzinfo() -> None:
    zone: Zone = load_zone(zone_bytes("Europe/Berlin"))
    oracle = zoneinfo.ZoneInfo("Europe/Berlin")
    for at in (utc(2026, 1, 1), utc(2026, 7, 1), utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 1, 30)):
        here, there = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(at, oracle)
        assert here.isoformat() == there.isoformat()
        assert (here.tzname(), here.dst(), here.fold) == (there.tzname(), there.dst(), there.fold)
        assert here.astimezone(UTC).timestamp() == here.timestamp() == at
    assert zone.utcoffset(None) is zone.dst(None) is zone.tzname(None) is None
    assert datetime(2026, 7, 1, tzinfo=zone).utcoffset() == timedelta(hours=2)
