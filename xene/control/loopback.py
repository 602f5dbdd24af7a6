"""Addresses that lead to this host and to nobody else. Pure. Called by `server` and `notify`."""

from __future__ import annotations

import ipaddress


def is_loopback(address: str) -> bool:
    """127.0.0.0/8 and ::1; False for a name, whatever it leads to."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
