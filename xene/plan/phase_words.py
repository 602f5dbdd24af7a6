"""Phases as lists show them, and what was done to the object. Pure. Used by `get`, `status` and its screen."""

from __future__ import annotations

from typing import Any, Mapping

Json = Mapping[str, Any]


def pipeline(row: Json) -> str:
    """`Scheduled`, `NotScheduled`, also `Scheduled,Suspended`."""
    return f"{row['phase']},Suspended" if row["suspended"] else str(row["phase"])


def agent(row: Json) -> str:
    """`Ready`, also `Ready,Cordoned`; `Ready,Draining` while a drained one still has pipelines or runs."""
    return f"{row['phase']},{word}" if (word := _held(row)) else str(row["phase"])


def _held(row: Json) -> str:
    if row["drained"]:
        return "Draining" if row["pipelines"] or row["capacityUsed"] else "Drained"
    return "Cordoned" if row["cordoned"] else ""
