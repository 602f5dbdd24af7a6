"""What a later version of the language brings, so that using it now gets a plain answer and no guess. Data only.

Keys are the titles that the schemas give to places. Called by `words`, `templates` and `load`.
"""

from __future__ import annotations

NOT_YET = "is not in this version of Xene yet"

KINDS = ("TaskTemplate",)

KEYS: dict[str, frozenset[str]] = {
    "WorkflowSpec": frozenset({"suspend", "triggers", "notify"}),
    "Pipeline": frozenset({"triggers", "secrets", "needs", "notify", "timeout", "gracePeriod", "failFast"})
    | {"concurrencyPolicy", "history", "finally"},
    "Placement": frozenset({"lostAfter", "onLost"}),
    "Context": frozenset({"container"}),
    "Task": frozenset({"when", "join", "matrix", "approval", "artifacts", "template", "with"})
    | {"retry", "timeout", "gracePeriod", "continueOnError"},
    "Step": frozenset({"retry", "when", "secrets"}),
    "AgentSpec": frozenset({"autostart"}),
}

CONNECTOR = frozenset(
    {"task", "pipeline", "on", "when", "artifacts"}
)  # keys of a connector written as a mapping

REFERENCES = ("env", "steps", "matrix", "event")  # first words of templates
