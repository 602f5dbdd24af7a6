"""The control host with scripted agents, as the tests of control have it."""

from __future__ import annotations

from tests.control.conftest import host

__all__ = ["host"]
