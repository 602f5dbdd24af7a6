"""What `why` says of the notices of a pipeline that are not delivered yet. Pure; rows of `store.notice_views`."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

Json = Mapping[str, Any]

SHOWN = 5  # that are told one by one


def pipeline(rows: Sequence[Json], at_work: bool) -> list[str]:
    """Lines for `rows`, oldest first. `at_work`: a controller is, which alone sends notices."""
    lines = [_line(row) for row in rows[:SHOWN]]
    if len(rows) > SHOWN:
        lines.append("  more notices are not delivered yet: see the table notices")
    if rows and not at_work:
        lines.append("  notices are sent by a controller, and none is at work: xene controller")
    return lines


def _line(row: Json) -> str:
    about = f"run {row['run']}" if row["run"] else f"trigger {row['trigger']}"
    head = f"  a notice ({row['kind']}, {about}) to {row['to']} is not delivered yet"
    if not row["tries"]:
        return head
    many = "1 try" if row["tries"] == 1 else f"{row['tries']} tries"
    why = f": {row['error']}" if row["error"] else ""
    return f"{head}, after {many}, the next at {row['nextTryAt']}{why}"
