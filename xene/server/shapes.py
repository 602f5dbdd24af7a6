"""JSON schemas of what the API gives and takes (SPEC 4), for the OpenAPI document. Data only.

Every field is always there, so all are required; fields may be added, so others are not forbidden in answers.
"""

from __future__ import annotations

from typing import Any, Mapping

from xene.model import phases
from xene.model.trigger import SLOT_OUTCOMES
from xene.server.queries import AGENT_PHASES

Schema = dict[str, Any]


def or_null(schema: Mapping[str, Any]) -> Schema:
    """The same, or null."""
    kinds = schema.get("type")
    if not isinstance(kinds, str) or "enum" in schema:
        return {"anyOf": [dict(schema), {"type": "null"}]}
    return {**schema, "type": [kinds, "null"]}


def words(*known: str) -> Schema:
    """One of these texts."""
    return {"type": "string", "enum": list(known)}


def things(**properties: Mapping[str, Any]) -> Schema:
    """An object that has all of these."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def named(schema: Mapping[str, Any]) -> Schema:
    """An object with any names, and such values."""
    return {"type": "object", "additionalProperties": schema}


def many(schema: Mapping[str, Any]) -> Schema:
    """A list."""
    return {"type": "array", "items": schema}


def ref(name: str) -> Schema:
    """A schema of `COMPONENTS`."""
    return {"$ref": f"#/components/schemas/{name}"}


TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
ANY: Schema = {}
TIME: Schema = {"type": "string", "format": "date-time"}
TEXT_0, TIME_0, WHOLE_0 = or_null(TEXT), or_null(TIME), or_null(WHOLE)
PHASE = words(phases.NOT_EXECUTED, phases.RUNNING, phases.SUCCESS, phases.ERROR)
RUN_PHASE = words(*phases.RUN_PHASES)
_WHY: Schema = {"reason": TEXT_0, "message": TEXT_0}
_WHEN: Schema = {"startedAt": TIME_0, "finishedAt": TIME_0}

_STEP = things(name=TEXT, phase=PHASE, **_WHY, exitCode=WHOLE_0, attempt=WHOLE_0, **_WHEN)
_ATTEMPT = things(attempt=WHOLE, phase=PHASE, **_WHY, **_WHEN)
_TASK = things(
    phase=PHASE,
    **_WHY,
    attempt=WHOLE_0,
    **_WHEN,
    outputs=named(ANY),
    attempts=many(ref("Attempt")),
    steps=many(ref("Step")),
)
_RUN = things(
    id=TEXT,
    workflow=TEXT,
    pipeline=TEXT,
    phase=RUN_PHASE,
    lastKnownPhase=or_null(RUN_PHASE),
    phaseSince=TIME,
    **_WHY,
    agent=TEXT,
    trigger=TEXT,
    fire=TEXT,
    slot=TIME_0,
    params=named(ANY),
    revision=TEXT,
    attempt=WHOLE,
    log=or_null(words("complete", "partial", "gone")),
    createdAt=TIME,
    **_WHEN,
    tasks=named(ref("Task")),
)
_WORKFLOW = things(
    name=TEXT,
    source=TEXT,
    generation=WHOLE,
    revision=TEXT,
    suspended=FLAG,
    labels=named(TEXT),
    spec={"type": "object"},
)
_PIPELINE = things(
    workflow=TEXT,
    name=TEXT,
    phase=words(phases.SCHEDULED, phases.NOT_SCHEDULED),
    execution=or_null(RUN_PHASE),
    **_WHY,
    agent=TEXT_0,
    revision=TEXT,
    observedRevision=TEXT_0,
    suspended=FLAG,
    nextFire=TIME_0,
    lastRun=or_null(things(id=TEXT, phase=RUN_PHASE)),
)
_AGENT = things(
    name=TEXT,
    phase=words(*AGENT_PHASES),
    **_WHY,
    cordoned=FLAG,
    capacity=WHOLE_0,
    capacityUsed=WHOLE,
    pipelines=WHOLE,
    labels=named(TEXT),
    version=TEXT_0,
    facts={"type": "object"},
    lastSeenAt=TIME_0,
)
_SLOT = things(
    workflow=TEXT,
    pipeline=TEXT,
    trigger=TEXT,
    at=TIME,
    outcome=words(*SLOT_OUTCOMES),
    reason=TEXT_0,
    run=TEXT_0,
)
_ERROR = things(error=TEXT, code=TEXT, hint=TEXT_0, requestId=TEXT)
_STARTED = things(runs=many(TEXT))

COMPONENTS: Mapping[str, Schema] = {
    "Run": _RUN,
    "Task": _TASK,
    "Step": _STEP,
    "Attempt": _ATTEMPT,
    "Workflow": _WORKFLOW,
    "Pipeline": _PIPELINE,
    "Agent": _AGENT,
    "Slot": _SLOT,
    "Started": _STARTED,
    "Error": _ERROR,
}
STARTED = ref("Started")
