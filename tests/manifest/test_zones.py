"""Zones by name: those of the system, those of the package, and names that are none."""

from __future__ import annotations

import zoneinfo
from pathlib import Path

import pytest

from xene.manifest import zones


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without zones of its own."""
    monkeypatch.setattr(zoneinfo, "TZPATH", ())


def test_every_name_has_a_zone() -> None:
    names = zones.names()
    assert {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"} <= set(names)
    assert names == sorted(names)
    for name in names:
        zones.zone_of(name)


@pytest.mark.parametrize(
    "name",
    ["", "Europe", "Europe/", "Europe/Nowhere", "/etc/localtime", "../zoneinfo/UTC", "Europe/../UTC", "localtime",
     "posixrules", "right/UTC", "posix/UTC", "tzdata.zi", "zone.tab", "leapseconds", "UTC\n", "U\0TC",
     "A" * 300, "A" * 5000],
)  # fmt: skip
def test_what_is_no_zone(name: str) -> None:
    with pytest.raises(KeyError):
        zones.zone_bytes(name)


@pytest.mark.usefixtures("bare")
def test_a_host_without_zones_has_those_of_the_package() -> None:
    assert zones.zone_bytes("Europe/Berlin").startswith(b"TZif")
    assert {"UTC", "Europe/Berlin"} <= set(zones.names())


def test_the_systems_own_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Europe").mkdir()
    another = zones.zone_bytes("UTC")
    (tmp_path / "Europe" / "Berlin").write_bytes(another)
    (tmp_path / "Europe" / "Paris").write_text("damaged")
    monkeypatch.setattr(zoneinfo, "TZPATH", (str(tmp_path),))
    assert zones.zone_bytes("Europe/Berlin") == another
    assert zones.zone_bytes("Europe/Paris").startswith(b"TZif")


def test_a_digest_names_the_bytes() -> None:
    one, other = zones.zone_bytes("Europe/Berlin"), zones.zone_bytes("Europe/Paris")
    assert zones.digest(one) == zones.digest(bytes(one)) != zones.digest(other)
    assert len(zones.digest(one)) == 16
