"""Instants that outlive a clock that is set and a host that is rebooted. Pure.

`up` is CLOCK_BOOTTIME, which counts under one `boot` (boot_id) and is never set; `at` is the wall clock, which
serves only where the boots differ.
"""

from __future__ import annotations

from typing import Any, Mapping


class Clock:
    """One instant: `at` in seconds since 1970, `up` in seconds of CLOCK_BOOTTIME under `boot`."""

    __slots__ = ("at", "boot", "up")

    def __init__(self, at: float, boot: str, up: float) -> None:
        self.at, self.boot, self.up = at, boot, up


def of_event(event: Mapping[str, Any]) -> Clock:
    """When an event that carries `at`, `boot` and `up` was recorded."""
    return Clock(event["at"], event.get("boot", ""), event.get("up", 0.0))


def passed(since: Clock, now: Clock) -> float:
    """Seconds from one instant to another, 0 at the least."""
    if since.boot == now.boot:
        return max(0.0, now.up - since.up)
    return max(0.0, now.at - since.at)


def reading(since: Clock, seconds: float, now: Clock) -> float:
    """What CLOCK_BOOTTIME reads under the present boot when `seconds` have passed `since` an instant."""
    return now.up + seconds - passed(since, now)
