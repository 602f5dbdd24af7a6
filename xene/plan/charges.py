"""Charges: what an agent is entrusted with so that it fires a pipeline by itself. Pure.

Called by `control.charging`. A charge holds all that a run needs, but for what is of one run: the agent fires with
control away. Its digest is a part of the tag by which the assignment is known, so nothing in it may change from one
pass to the next by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from xene.model import codec
from xene.model.charge import Charge, Duty
from xene.model.codec import params_from_json, pipeline_from_json
from xene.model.trigger import Cron
from xene.model.workflow import MOVE, Pipeline, Placement
from xene.plan import inputs

LEASE_MARGIN = (
    4.0  # seconds: from the lease's end and the longest grace until another agent may have the pipeline
)


@dataclass(frozen=True)
class Entrusted:
    """A pipeline that is to be charged, and the agent that gets it.

    `triggers` are (name, cron, since); `zones` the digests of the zones' rules by name.
    """

    workflow: str
    pipeline: str
    revision: str
    spec: Mapping[str, Any]
    placement: Placement
    agent: str
    agent_env: Mapping[str, str]
    agent_labels: Mapping[str, str]
    triggers: Sequence[tuple[str, Cron, float]]
    zones: Mapping[str, str]
    suspended: bool


def charge(of: Entrusted) -> Charge:
    """What the agent gets."""
    body: Mapping[str, Any] = of.spec["pipeline"]
    moves = of.placement.on_lost == MOVE
    return Charge(
        workflow=of.workflow,
        pipeline=of.pipeline,
        revision=of.revision,
        spec=of.spec,
        agent=of.agent,
        agent_env=of.agent_env,
        agent_labels=of.agent_labels,
        duties={name: _duty(of, body, cron, since) for name, cron, since in of.triggers},
        suspended=of.suspended,
        lost_after=of.placement.lost_after if moves else None,
        lease=lease(of.placement, pipeline_from_json(of.pipeline, dict(body))) if moves else None,
        secrets=tuple(body.get("secrets", {})),
    )


def digest(made: Charge) -> str:
    """What tells a charge from the one before."""
    return codec.digest(made.to_json())


def _duty(of: Entrusted, body: Mapping[str, Any], cron: Cron, since: float) -> Duty:
    """The params of its runs: those of the trigger that the pipeline declares, and defaults for the rest."""
    declared = params_from_json(body.get("params", {}))
    given = {name: value for name, value in cron.params.items() if name in declared}
    values, _ = inputs.check(declared, given)
    return Duty(cron, of.zones[cron.time_zone], since, values)


def lease(placement: Placement, pipeline: Pipeline) -> float:
    """For how many seconds an agent may fire and run a pipeline from its own asking."""
    return placement.lost_after - longest_grace(pipeline) - LEASE_MARGIN


def longest_grace(pipeline: Pipeline) -> float:
    """The most seconds that some step of the pipeline gets between SIGTERM and SIGKILL."""
    tasks = [*pipeline.tasks.values(), *pipeline.finally_.values()]
    own = [task.grace_period for task in tasks]
    own += [step.grace_period for task in tasks for step in task.steps]
    return max([pipeline.grace_period, *(grace for grace in own if grace is not None)])
