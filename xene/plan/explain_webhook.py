"""What `why pipeline/...` says of the webhook triggers that start it.

Called by the command `why` with the JSON of `store.views`. Pure; lines as in `plan.explain`.
"""

from __future__ import annotations

from typing import Any, Mapping, Sequence

Json = Mapping[str, Any]


def pipeline(view: Json, webhooks: Sequence[Json]) -> list[str]:
    """A line for each of a pipeline's webhook triggers."""
    return ["  " + _line(view, each) for each in webhooks]


def _line(view: Json, webhook: Json) -> str:
    if view["suspended"]:
        return f"trigger {webhook['name']} starts nothing, since it is suspended; deliveries are answered 200"
    what = f"POST {webhook['path']}, verified by {webhook['verify']} with secret {webhook['secretRef']}"
    return f"trigger {webhook['name']} starts it: {what}" + (
        f", when {webhook['when']}" if webhook["when"] else ""
    )
