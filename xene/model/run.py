"""What control hands to an agent for one run. Pure."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Tuple

from xene.model.records import dataclass
from xene.model.workflow import Scalar

ARTIFACT_BYTES = 10 * 1024**3  # of one artifact at the most
ARTIFACT_FILES = 1_000_000  # of one artifact at the most, directories and links counted in


@dataclass(frozen=True)
class RunOrder:
    """Everything that one run needs on the agent, frozen when it was fired.

    `spec` is the JSON of `codec.executable_spec` at `revision`. `agent_env` and `agent_labels` are those of
    the Agent object when the run was handed over. `created_at` is in seconds since 1970. `artifacts` are those that
    the pipelines before it hand over, `{name, size, sha256}`: laid into the workspace before anything starts.
    """

    id: str
    workflow: str
    pipeline: str
    revision: str
    spec: Mapping[str, Any]
    params: Mapping[str, Scalar]
    trigger: str
    created_at: float
    agent: str
    agent_env: Mapping[str, str]
    agent_labels: Mapping[str, str]
    scheduled_at: Optional[str] = None  # RFC 3339, of a slot
    artifacts: Tuple[Mapping[str, Any], ...] = ()

    def to_json(self) -> Dict[str, Any]:
        """The form that travels and is journalled."""
        return {
            "id": self.id,
            "workflow": self.workflow,
            "pipeline": self.pipeline,
            "revision": self.revision,
            "spec": self.spec,
            "params": dict(self.params),
            "trigger": self.trigger,
            "createdAt": self.created_at,
            "agent": self.agent,
            "agentEnv": dict(self.agent_env),
            "agentLabels": dict(self.agent_labels),
            "scheduledAt": self.scheduled_at,
            "artifacts": [dict(each) for each in self.artifacts],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> RunOrder:
        """The inverse of `to_json`."""
        return RunOrder(
            id=data["id"],
            workflow=data["workflow"],
            pipeline=data["pipeline"],
            revision=data["revision"],
            spec=data["spec"],
            params=data["params"],
            trigger=data["trigger"],
            created_at=data["createdAt"],
            agent=data["agent"],
            agent_env=data["agentEnv"],
            agent_labels=data["agentLabels"],
            scheduled_at=data.get("scheduledAt"),
            artifacts=tuple(data.get("artifacts", ())),
        )
