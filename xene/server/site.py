"""All that is served, room by room. Called by `companion` for each controller at work."""

from __future__ import annotations

from xene.server import acts, api, health, hooks, logs, metrics, openapi
from xene.server.app import App


def fill(app: App) -> None:
    """Add every route."""
    app.add_all(health.routes())
    app.add_all(api.routes())
    logs.add(app)
    metrics.add(app)
    app.add_all(acts.routes())
    app.add_all(hooks.routes())
    openapi.add(app)
