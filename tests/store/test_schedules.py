"""When stored triggers are due: what is remembered is what would be reckoned."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.store.conftest import Filled
from xene.engine.slots import Schedule, load_zone
from xene.manifest import zones
from xene.model.trigger import cron_from_json
from xene.store import charges
from xene.store.schedules import Remembered, Schedules

HOURLY = '{"schedule": "5 * * * *", "timeZone": "Europe/Berlin"}'
ONCE = '{"schedule": "30 2 29 2 *", "timeZone": "Europe/Berlin"}'
ZONE = load_zone(zones.zone_bytes("Europe/Berlin"))
BEGIN = 1_774_700_000.0  # the day before the clocks go forward, in March 2026


def schedule(text: str) -> Schedule:
    return Schedule(cron_from_json(json.loads(text)), ZONE)


@given(st.sampled_from([HOURLY, ONCE]), st.lists(st.floats(-86400 * 3, 86400 * 3), max_size=30))
def test_whatever_is_asked_in_whatever_order(text: str, offsets: list[float]) -> None:
    remembered, anew = Remembered(schedule(text)), schedule(text)
    for offset in offsets:
        found = anew.next_after(BEGIN + offset)
        assert remembered.next_after(BEGIN + offset) == (None if found is None else float(found.at))


def test_an_instant_is_later_than_what_it_is_asked_for() -> None:
    remembered = Remembered(schedule(HOURLY))
    first = remembered.next_after(BEGIN)
    assert first is not None
    assert remembered.next_after(first - 0.001) == first
    assert remembered.next_after(first) == first + 3600


def test_nobody_knows_when_a_cron_of_an_unknown_zone_is_due(filled: Filled) -> None:
    assert Schedules(filled.state.conn).next_after(HOURLY, BEGIN) is None
    data = zones.zone_bytes("Europe/Berlin")
    with filled.state.transaction() as conn:
        charges.put_zone(conn, "Europe/Berlin", zones.digest(data), data)
    assert Schedules(filled.state.conn).next_after(HOURLY, BEGIN) is not None
