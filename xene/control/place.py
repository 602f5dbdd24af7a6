"""Where one control host keeps things: its state, its home, its logs. Plain paths; made once per command."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xene.store.agents import Agent
    from xene.transport.base import Target


@dataclass(frozen=True)
class Place:
    """`state` is the path of the state's file; `home` is `$XENE_HOME`, which need not exist yet."""

    state: str
    home: str

    def logs(self, uuid: str) -> str:
        """The directory with the archived logs of the state `uuid`."""
        return os.path.join(self.home, "logs", uuid)

    def artifacts(self, uuid: str) -> str:
        """The directory with the artifacts of ended runs of the state `uuid`."""
        return os.path.join(self.home, "artifacts", uuid)

    def checkout(self, uuid: str) -> str:
        """The directory in which the state `uuid` lays out what it follows in git."""
        return os.path.join(self.home, "checkouts", uuid)

    def target(self, agent: Agent, uuid: str) -> Target:
        """How `agent` of the state `uuid` is reached."""
        from xene.model.codec import agent_from_json
        from xene.transport.base import Target

        if agent.implicit:
            return Target(agent.name, None, home=os.path.join(self.home, "local"), state=uuid)
        declared = agent_from_json({"metadata": {"name": agent.name}, "spec": dict(agent.spec)})
        return Target(agent.name, declared.ssh, home=declared.home, python=declared.python, state=uuid)
