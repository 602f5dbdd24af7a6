"""Instants for events in tests."""

from __future__ import annotations

from xene.engine.clock import Clock


def instant(at: float, boot: str = "boot") -> Clock:
    """Both clocks at one reading."""
    return Clock(float(at), boot, float(at))
