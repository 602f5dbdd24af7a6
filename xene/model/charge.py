"""What an agent is entrusted with: a pipeline that it fires by itself, or that it may run only under a lease. Pure.

Control makes a charge for each pipeline that has cron triggers or `onLost: replace`, sends it before the
assignment that names it (`wire.messages.entrust`), and knows it by its `tag`. The agent journals it with the
assignment, so that it fires with control away.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Tuple

from xene.model.records import dataclass, field
from xene.model.trigger import Cron, cron_from_json, cron_to_json
from xene.model.workflow import Scalar


@dataclass(frozen=True)
class Duty:
    """One cron trigger of a charge.

    `since`: no instant at or below it fires here or is accounted for here: the trigger was applied, changed or
    resumed then, or another agent has accounted for them. `params` are the whole params of each run, defaults
    filled in. `zone` names the bytes of the zone (a digest), which travel beside the charge.
    """

    cron: Cron
    zone: str
    since: float
    params: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class Charge:
    """A pipeline as an agent needs it to fire it: what a `RunOrder` has, less what is of one run.

    `suspended`: slots are skipped, reason Suspended. `lost_after` in seconds where the pipeline may be replaced
    (`onLost: replace`), else None: `lease` is for how long, from its own asking, the agent may then fire and run
    it before it must have begun to stop. `secrets` are the environment variables that its runs need.
    """

    workflow: str
    pipeline: str
    revision: str
    spec: Mapping[str, Any]
    agent: str
    agent_env: Mapping[str, str]
    agent_labels: Mapping[str, str]
    duties: Mapping[str, Duty] = field(default_factory=dict)
    suspended: bool = False
    lost_after: Optional[float] = None
    lease: Optional[float] = None
    secrets: Tuple[str, ...] = ()

    def to_json(self) -> Dict[str, Any]:
        """The form that travels and is journalled."""
        return {
            "workflow": self.workflow,
            "pipeline": self.pipeline,
            "revision": self.revision,
            "spec": self.spec,
            "agent": self.agent,
            "agentEnv": dict(self.agent_env),
            "agentLabels": dict(self.agent_labels),
            "duties": {
                name: {
                    "cron": cron_to_json(duty.cron),
                    "zone": duty.zone,
                    "since": duty.since,
                    "params": dict(duty.params),
                }
                for name, duty in self.duties.items()
            },
            "suspended": self.suspended,
            "lostAfter": self.lost_after,
            "lease": self.lease,
            "secrets": list(self.secrets),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Charge:
        """The inverse of `to_json`. Raises KeyError, TypeError and ValueError for what is none."""
        return Charge(
            workflow=data["workflow"],
            pipeline=data["pipeline"],
            revision=data["revision"],
            spec=data["spec"],
            agent=data["agent"],
            agent_env=data["agentEnv"],
            agent_labels=data["agentLabels"],
            duties={
                name: Duty(cron_from_json(duty["cron"]), duty["zone"], float(duty["since"]), duty["params"])
                for name, duty in data["duties"].items()
            },
            suspended=bool(data["suspended"]),
            lost_after=data.get("lostAfter"),
            lease=data.get("lease"),
            secrets=tuple(data.get("secrets", ())),
        )


def tag(revision: str, charge_digest: Optional[str]) -> str:
    """What an assignment is known by: its revision, and where it has a charge the digest of that."""
    return revision if charge_digest is None else f"{revision}.{charge_digest}"


def revision_of(tag: str) -> str:
    """The revision in a tag."""
    return tag.partition(".")[0]
