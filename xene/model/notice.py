"""Notices: what people are told of, and to whom. Pure.

A target is the JSON of one entry of `notify` without its `on`: `{webhook: {url | secretRef, template}}`,
`{email: {to}}` or `{command}`.
"""

from __future__ import annotations

ERROR, RECOVERED, MISSED = "Error", "Recovered", "Missed"
KINDS = (ERROR, RECOVERED, MISSED)
WEBHOOK, EMAIL, COMMAND = "webhook", "email", "command"
# What a template may name as `notice.KEY`; what a notice does not have is null.
FACTS = (
    "id", "kind", "workflow", "pipeline", "run", "attempt", "phase", "reason", "message", "agent", "trigger",
    "startedAt", "finishedAt", "count", "since", "until", "text",
)  # fmt: skip
