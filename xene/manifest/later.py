"""What a later version of the language brings, so that using it now gets a plain answer and no guess. Data only.

Keys are the titles that the schemas give to places. Called by `words`, `names` and `load`.
"""

from __future__ import annotations

NOT_YET = "is not in this version of Xene yet"

KINDS = ("TaskTemplate",)

KEYS: dict[str, frozenset[str]] = {
    "WorkflowSpec": frozenset({"suspend", "triggers", "notify"}),
    "Pipeline": frozenset({"triggers", "notify", "history"}),
    "Placement": frozenset({"lostAfter", "onLost"}),
    "Task": frozenset({"template", "with"}),
    "AgentSpec": frozenset({"autostart"}),
}

REFERENCES = ("event",)  # first words of names in expressions
