"""What typer asks for names when a line is being completed: the door to `offers`, opened only then.

To import what reads the state takes 5 ms, and a line is run more often than it is completed.
"""

from __future__ import annotations

from typing import Any, Callable

Asked = Callable[[Any, str], list[str]]


def _later(name: str) -> Asked:
    def offered(ctx: Any, incomplete: str) -> list[str]:
        from xene.commands import offers

        found: list[str] = getattr(offers, name)(ctx, incomplete)
        return found

    return offered


agents, approvals, artifacts = _later("agents"), _later("approvals"), _later("artifacts")
explained, kind_names, names = _later("explained"), _later("kind_names"), _later("names")
pipelines, runs = _later("pipelines"), _later("runs")
targets, tasks = _later("targets"), _later("tasks")
